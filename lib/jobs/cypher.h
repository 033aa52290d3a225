// A Cypher query for FalkorDB with its parameters. A value gets into a query in this way alone; a name only as an
// identifier that SettingsReader::identifier has let through.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stargazer::jobs {

class Cypher {
 public:
  // `text` names its parameters as $name.
  explicit Cypher(std::string text) : text_(std::move(text)) {}

  // REQUIRES: the name is an identifier; a double is finite.
  Cypher& with(std::string_view name, std::int64_t value);
  Cypher& with(std::string_view name, double value);
  Cypher& with(std::string_view name, const std::string& value);
  Cypher& with(std::string_view name, const std::vector<std::int64_t>& values);
  Cypher& with(std::string_view name, const std::vector<std::string>& values);

  // "CYPHER name=value … text": what GRAPH.QUERY takes.
  std::string query() const;

 private:
  Cypher& add(std::string_view name, const std::string& literal);

  std::string parameters_;
  std::string text_;
};

}  // namespace stargazer::jobs
