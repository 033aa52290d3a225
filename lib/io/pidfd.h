// pidfd_open(2) for C++: <sys/pidfd.h> of glibc 2.36 (Debian 12) declares it without extern "C", so that it compiles
// and does not link.
#pragma once

extern "C" {
#include <sys/pidfd.h>
}
