// [tasks.NAME.settings]: keys that only the job knows, kept as JSON for it.
#pragma once

#include "config/schema.h"

namespace stargazer {

// Together, as JSON: they go to the worker in the first line on its fd 3, which must fit while nobody reads it.
inline constexpr std::size_t kSettingsBytesMax = std::size_t{16} * 1024;
inline constexpr std::size_t kSettingsMax = 256;

// Reads the table that `from` holds; each key overrides the one of that name in an earlier file. Refused is what JSON
// cannot say, such as a date or an infinite number. Never repeats a value: it may be a secret.
void read_settings(const Entry& from, Settings& settings, const Place& place);

}  // namespace stargazer
