#include "feed/entry_fields.h"

#include <cstddef>

#include "feed/journal_error.h"

namespace stargazer {

void LibsystemdFields::restart() {
  sd_journal_restart_data(journal_);
}

Result<std::optional<std::string_view>> LibsystemdFields::next() {
  const void* data = nullptr;
  std::size_t size = 0;
  const int result = sd_journal_enumerate_available_data(journal_, &data, &size);
  if (result < 0) return journal_error("fields", result);
  if (result == 0) return std::optional<std::string_view>();
  return std::optional(std::string_view(static_cast<const char*>(data), size));
}

}  // namespace stargazer
