// Bytes on their way out. What a std::string does not offer: room that is not zeroed before it is written to, so that a
// writer who knows a bound asks for room once, writes through a pointer and says where it stopped.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace stargazer {

class OutBuffer {
 public:
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  char* data() { return bytes_.get(); }

  // Where the next byte goes, with room for at least `bytes` of them. Earlier pointers are void.
  char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return bytes_.get() + size_;
  }
  // Takes in all that was written before `end`. REQUIRES: room() was large enough for it.
  void commit(const char* end) {
    size_ = static_cast<std::size_t>(end - bytes_.get());
    assert(size_ <= capacity_);
  }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  // REQUIRES: size <= this->size().
  void truncate(std::size_t size) {
    assert(size <= size_);
    size_ = size;
  }

  // Empty again; memory beyond `keep_bytes` goes back, so that a huge entry does not hold it for ever.
  void clear(std::size_t keep_bytes) {
    size_ = 0;
    if (capacity_ <= keep_bytes) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  void grow(std::size_t bytes) {
    constexpr std::size_t kFirstBytes = 32 * std::size_t{1024};
    const std::size_t least = size_ + bytes;
    const std::size_t capacity = least + least / 2 + kFirstBytes;
    auto larger = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace stargazer
