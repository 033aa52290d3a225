#include "jobs/transcript.h"

#include <algorithm>

#include "jobs/json_text.h"
#include "jobs/moment.h"

namespace stargazer::jobs {
namespace {

bool begins_letter(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

std::size_t letters_in(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_letter));
}

std::string first_letters(const std::string& text, std::size_t letters) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    if (begins_letter(text[end]) && letters-- == 0) break;
  }
  return text.substr(0, end);
}

// The JSON library replaces what is not UTF-8; a string dumped and read back is valid.
std::string valid_utf8(const std::string& text) {
  const auto read_back = parse_json(dump_json(Json(text)));
  return read_back && read_back->is_string() ? read_back->get<std::string>() : "";
}

std::string one_line(const std::string& text) {
  std::string line = valid_utf8(text);
  std::replace_if(
      line.begin(), line.end(), [](char byte) { return static_cast<unsigned char>(byte) < ' ' || byte == 0x7f; }, ' ');
  return line;
}

}  // namespace

std::string transcript_line(const CachedMessage& message) {
  std::string line = "[" + format_moment(message.timestamp) + "] " + message.user_name + " (user " + message.user_id;
  if (!message.message_id.empty()) line += ", message " + message.message_id;
  if (!message.reply_to_id.empty()) line += ", reply to " + message.reply_to_id;
  return one_line(line + "): " + message.text);
}

Transcript make_transcript(const std::vector<CachedMessage>& messages, std::size_t letters_max) {
  Transcript transcript;
  std::vector<std::string> lines;
  std::size_t letters = 0;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    std::string line = transcript_line(*message);
    const std::size_t more = letters_in(line) + 1;
    if (lines.empty() && more > letters_max) line = first_letters(line, letters_max > 0 ? letters_max - 1 : 0);
    if (!lines.empty() && letters + more > letters_max) break;
    letters += more;
    lines.push_back(std::move(line));
  }
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) transcript.text += *line + "\n";
  transcript.message_count = lines.size();
  return transcript;
}

}  // namespace stargazer::jobs
