#include "io/line_splitter.h"

namespace stargazer {

void LineSplitter::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    take(bytes.substr(0, newline));
    if (newline == std::string_view::npos) return;
    deliver();
    bytes.remove_prefix(newline + 1);
  }
}

void LineSplitter::finish() {
  if (!line_.empty() || cut_) deliver();
}

void LineSplitter::take(std::string_view part) {
  const std::size_t room = line_bytes_max_ - line_.size();
  if (part.size() > room) cut_ = true;
  line_.append(part.substr(0, room));
}

void LineSplitter::deliver() {
  std::string_view text = line_;
  while (!cut_ && !text.empty() && text.back() == '\r') text.remove_suffix(1);
  on_line_(text, cut_);
  line_.clear();
  cut_ = false;
}

}  // namespace stargazer
