// What was said in a channel, as a text for a language model.
#pragma once

#include <string>
#include <vector>

namespace stargazer::jobs {

// A cached message (FACTS section 3). Every text is of outside, and may be empty.
struct CachedMessage {
  double timestamp = 0;  // seconds since 1970
  std::string user_name;
  std::string user_id;
  std::string message_id;
  std::string reply_to_id;
  std::string text;
};

// One line, without its end: "[2026-11-25T22:10:00Z] Ann (user 12, message 34, reply to 33): hello". What would end the
// line or hide in it (control characters) becomes a space; what is not UTF-8 becomes U+FFFD.
std::string transcript_line(const CachedMessage& message);

struct Transcript {
  std::string text;
  std::size_t message_count = 0;  // that are in it
};

// The latest of `messages`, given from old to new, whose lines have at most `letters_max` letters (Unicode code points)
// together. A single longer line is cut.
Transcript make_transcript(const std::vector<CachedMessage>& messages, std::size_t letters_max);

}  // namespace stargazer::jobs
