#include "feed/publish_window.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>

namespace stargazer {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr int kDigitsMax = 20;

// "$4\r\nECHO\r\n$": an argument, and the beginning of the next one.
void append_argument(std::string& out, std::string_view argument) {
  out += std::to_string(argument.size());
  out += kLineEnd;
  out += argument;
  out += "\r\n$";
}

// The beginning of a command of `count` arguments, up to where the length of the next one belongs.
std::string head_of(std::size_t count, const std::vector<std::string>& arguments) {
  std::string head = "*" + std::to_string(count) + "\r\n$";
  for (const std::string& argument : arguments) append_argument(head, argument);
  return head;
}

std::string stream_head(const std::string& key, std::uint32_t length_max, const std::string& field, std::size_t count) {
  return head_of(count, {"XADD", key, "MAXLEN", "~", std::to_string(length_max), "*", field});
}

int digits_of(std::size_t number) {
  int digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

void append_text(OutBuffer& out, std::string_view text) {
  std::array<char, kDigitsMax> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), text.size()).ptr;
  out.append({digits.data(), static_cast<std::size_t>(end - digits.data())});
  out.append(kLineEnd);
  out.append(text);
  out.append(kLineEnd);
}

}  // namespace

PublishWindow::PublishWindow(const FeedConfig& config)
    : has_stream_(!config.stream.empty()),
      publish_head_(head_of(3, {"PUBLISH", config.channel})),
      stream_head_(stream_head(config.stream, config.stream_max_length, "cursor", 10)),
      gaps_head_(stream_head(config.gaps_key_or_default(), kGapRecordsMax, "gap", 8)) {}

bool PublishWindow::may_add() const {
  const Batch& batch = filling();
  return count_ + 1 < kBatchesMax && batch.items.size() < kBatchEntriesMax && batch.commands.size() < kBatchBytesMax &&
         bytes_ + batch.commands.size() < kBytesMax;
}

OutBuffer& PublishWindow::begin_entry(std::string_view cursor) {
  OutBuffer& out = filling().commands;
  item_begin_ = out.size();
  if (has_stream_) {
    out.append(stream_head_);
    append_text(out, cursor);
    out.append("$5\r\nentry\r\n$");
  } else {
    out.append(publish_head_);
  }
  // The length comes before the text and is known after it. Redis takes no leading zeros.
  length_at_ = out.size();
  out.commit(out.room(kDigitsMax) + digits_);
  out.append(kLineEnd);
  return out;
}

void PublishWindow::end_entry() {
  Batch& batch = filling();
  OutBuffer& out = batch.commands;
  std::size_t json_at = length_at_ + static_cast<std::size_t>(digits_) + kLineEnd.size();
  const std::size_t json_bytes = out.size() - json_at;
  if (const int digits = digits_of(json_bytes); digits != digits_) {
    const std::size_t moved_to = length_at_ + static_cast<std::size_t>(digits) + kLineEnd.size();
    char* const end = out.room(kDigitsMax);
    std::memmove(out.data() + moved_to, out.data() + json_at, json_bytes);
    out.commit(end + moved_to - json_at);
    std::copy(kLineEnd.begin(), kLineEnd.end(), out.data() + moved_to - kLineEnd.size());
    json_at = moved_to;
    digits_ = digits;
  }
  std::to_chars(out.data() + length_at_, out.data() + length_at_ + digits_, json_bytes);
  out.append(kLineEnd);
  if (has_stream_) {
    out.append(publish_head_);
    // The length, the text and the end of the line, once more.
    const std::size_t bytes = out.size() - length_at_ - publish_head_.size();
    char* const to = out.room(bytes);
    out.commit(std::copy_n(out.data() + length_at_, bytes, to));
  }
  batch.items.push_back({item_begin_, out.size(), json_bytes, true});
}

void PublishWindow::abandon_entry() {
  filling().commands.truncate(item_begin_);
}

std::string PublishWindow::gap_command(std::string_view json) const {
  std::string command = gaps_head_ + std::to_string(json.size());
  return command.append(kLineEnd).append(json).append(kLineEnd);
}

void PublishWindow::add_gap_record(std::string_view json) {
  Batch& batch = filling();
  const std::size_t begin = batch.commands.size();
  batch.commands.append(gap_command(json));
  batch.items.push_back({begin, batch.commands.size(), 0, false});
}

void PublishWindow::end_batch(const SavedCursor& position) {
  Batch& batch = filling();
  if (batch.items.empty()) {
    (count_ == 0 ? position_ : at(count_ - 1).position) = position;
    return;
  }
  batch.position = position;
  bytes_ += batch.commands.size();
  ++count_;
}

std::string_view PublishWindow::unsent() const {
  if (sending_ >= count_) return {};
  const Batch& batch = at(sending_);
  return batch.commands.view().substr(batch.sent);
}

void PublishWindow::sent(std::size_t bytes) {
  Batch& batch = at(sending_);
  batch.sent += bytes;
  assert(batch.sent <= batch.commands.size());
  if (batch.sent == batch.commands.size()) ++sending_;
}

PublishWindow::Expected PublishWindow::expected() const {
  const Batch& batch = at(0);
  const bool published = batch.items[batch.acknowledged].is_entry && has_stream_ == stream_acknowledged_;
  return published ? Expected::kInteger : Expected::kText;
}

PublishWindow::Done PublishWindow::acknowledge() {
  assert(!empty());
  Batch& batch = at(0);
  const Item& item = batch.items[batch.acknowledged];
  if (item.is_entry && has_stream_ && !stream_acknowledged_) {
    stream_acknowledged_ = true;
    return {};
  }
  stream_acknowledged_ = false;
  Done done = item.is_entry ? Done{1, item.json_bytes, 0} : Done{};
  if (++batch.acknowledged < batch.items.size()) return done;
  release_first();
  done.batches = 1;
  return done;
}

void PublishWindow::release_first() {
  Batch& batch = at(0);
  position_ = std::move(batch.position);
  bytes_ -= batch.commands.size();
  batch.commands.clear(2 * kBatchBytesMax);
  batch.items.clear();
  batch.acknowledged = batch.sent = 0;
  first_ = (first_ + 1) % kBatchesMax;
  --count_;
  sending_ -= sending_ > 0 ? 1 : 0;
}

void PublishWindow::rewind() {
  stream_acknowledged_ = false;
  sending_ = 0;
  for (std::size_t i = 0; i < count_; ++i) at(i).sent = 0;
  if (count_ > 0) at(0).sent = at(0).items[at(0).acknowledged].begin;
}

std::optional<std::string> PublishWindow::refusable_cursor() const {
  if (empty()) return {};
  const Item& item = at(0).items[at(0).acknowledged];
  if (!item.is_entry || item.json_bytes < kRefusableBytesMin) return {};
  // A quotation mark within a value has a backslash before it, so this is the member itself.
  constexpr std::string_view kMember = "\"__CURSOR\":\"";
  const std::string_view commands = at(0).commands.view().substr(item.begin, item.end - item.begin);
  const std::size_t begin = commands.find(kMember) + kMember.size();
  return std::string(commands.substr(begin, commands.find('"', begin) - begin));
}

void PublishWindow::replace_refused(std::string_view json) {
  const std::string command = gap_command(json);
  Batch& batch = at(0);
  Item& item = batch.items[batch.acknowledged];
  assert(command.size() <= item.end - item.begin);
  item = {item.end - command.size(), item.end, 0, false};
  std::memcpy(batch.commands.data() + item.begin, command.data(), command.size());
  batch.sent = item.begin;
}

}  // namespace stargazer
