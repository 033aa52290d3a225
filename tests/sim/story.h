// Single stories as text: what is done at the margin, what happened indented (tests/transcripts/README.md).
#pragma once

#include <string>

namespace stargazer::sim {

// Runs every *.txt of `directory`, in order of name, and compares. Prints what differs, and one line at the end; with
// `rewrite` the files are written anew instead. False when a story differs, breaks an invariant or cannot be read.
bool run_stories(const std::string& directory, bool rewrite);

}  // namespace stargazer::sim
