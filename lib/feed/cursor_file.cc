#include "feed/cursor_file.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "feed/cursor.h"
#include "io/state_file.h"

namespace stargazer {
namespace {

using Json = nlohmann::json;

// Reads the text member `name` into `value`; false when there is none.
bool read_text(const Json& document, const char* name, std::string& value) {
  const auto member = document.find(name);
  if (member == document.end() || !member->is_string()) return false;
  value = member->get_ref<const std::string&>();
  return true;
}

bool read_units(const Json& document, std::vector<std::string>& units) {
  const auto member = document.find("units");
  if (member == document.end() || !member->is_array()) return false;
  for (const Json& unit : *member) {
    if (!unit.is_string()) return false;
    units.push_back(unit.get_ref<const std::string&>());
  }
  return true;
}

std::string shown(const FeedSource& source) {
  const std::string journal = source.directory.empty() ? "the system's journal" : source.directory;
  return source.name_space.empty() ? journal : journal + ", namespace " + source.name_space;
}

Status check_source(const FeedSource& saved, const FeedSource& source) {
  if (saved.directory == source.directory && saved.name_space == source.name_space) return {};
  return Error("is a position in " + shown(saved) + ", not in " + shown(source));
}

}  // namespace

Result<CursorFile::Content> CursorFile::parse(std::string_view text) {
  if (text.size() > kFileBytesMax) return Error("is too large");
  // By reference throughout: to copy a value that is nested deeply would overflow the stack.
  const Json document = Json::parse(text, nullptr, false);
  if (!document.is_object()) return Error("is not a JSON object");
  const auto version = document.find("version");
  if (version == document.end() || *version != 1) return Error("is not a file of version 1");
  Content content;
  FeedSource& source = content.source;
  if (!read_text(document, "directory", source.directory) || !read_text(document, "namespace", source.name_space) ||
      !read_units(document, source.units)) {
    return Error("does not say what its position belongs to");
  }
  SavedCursor& saved = content.saved;
  if (!read_text(document, "cursor", saved.cursor) || !read_text(document, "through", saved.through)) {
    return Error("has no cursor");
  }
  if (auto cursor = Cursor::parse(saved.cursor); !cursor) return cursor.error().in("its cursor");
  if (saved.through.empty()) return content;
  if (auto through = Cursor::parse(saved.through); !through) return through.error().in("its second cursor");
  return content;
}

std::string CursorFile::render(const Content& content) {
  const auto& [source, saved] = content;
  const Json document{{"version", 1},          {"directory", source.directory}, {"namespace", source.name_space},
                      {"units", source.units}, {"cursor", saved.cursor},        {"through", saved.through}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::optional<SavedCursor>> CursorFile::load(const std::string& path, const FeedSource& source) {
  const auto text = read_state_file(path, kFileBytesMax);
  if (!text) return text.error();
  if (!text->has_value()) return std::optional<SavedCursor>();
  auto content = parse(**text);
  const Status status = content ? check_source(content->source, source) : content.error();
  if (status) return std::optional(std::move(content->saved));
  move_damaged_aside(path);
  return status.error().in(path);
}

Status CursorFile::save(const std::string& path, const FeedSource& source, const SavedCursor& saved) {
  return replace_file(path, render({source, saved}));
}

}  // namespace stargazer
