# shellcheck shell=bash
# Debian trees for the tests of the package, under build/trees. Sourced by booted and bare; needs root.

trees=${top:?}/build/trees

# The first mirror that apt uses for this release of Debian, or for any: debootstrap needs one, and this machine may
# reach only its own.
# shellcheck disable=SC2016 # apt-get expands
mirror_of() {
  apt-get indextargets --format '$(RELEASE) $(SITE)' 'Created-By: Packages' |
    awk -v release="$1" '$1 == release {exact = $2} $2 ~ "/debian/?$" {any = $2} END {print exact ? exact : any}'
}

# Makes the tree build/trees/NAME once: suite, packages separated by commas. Half a tree is never left under its name.
make_tree() {
  local name=$1 suite=$2 packages=$3 mirror
  [[ ! -d $trees/$name ]] || return 0
  mirror=$(mirror_of "$suite")
  mkdir -p "$trees"
  rm -rf "$trees/$name.new"
  echo "debootstrap $suite into build/trees/$name"
  debootstrap --variant=minbase --include="$packages" "$suite" "$trees/$name.new" "$mirror" \
    >"$trees/$name.log" 2>&1 || {
    tail -n 20 "$trees/$name.log" >&2
    return 1
  }
  mv "$trees/$name.new" "$trees/$name"
}

# A fresh copy of a tree, with this machine's name servers: from, to.
copy_tree() {
  rm -rf "${trees:?}/$2"
  cp -a --reflink=auto "$trees/$1" "$trees/$2"
  cp --remove-destination "$(realpath /etc/resolv.conf)" "$trees/$2/etc/resolv.conf"
}
