#include "jobs/graph.h"

#include <charconv>
#include <optional>

#include "io/printable.h"

namespace stargazer::jobs {
namespace {

constexpr Duration kAnswerLag = std::chrono::seconds(5);
constexpr std::size_t kShownBytesMax = 32;

Error no_result_set() {
  return Error("a reply that is no result set");
}

// sum() answers a whole number as a text.
std::optional<std::int64_t> whole_number(const RedisValue& value) {
  if (value.kind == RedisValue::Kind::kInteger) return value.integer;
  if (value.kind != RedisValue::Kind::kString) return std::nullopt;
  std::int64_t number = 0;
  const char* end = value.text.data() + value.text.size();
  const auto read = std::from_chars(value.text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

}  // namespace

Result<bool> Graph::exists() {
  auto type = server_.command({"TYPE", name_});
  if (!type) return type.error();
  if (type->text == "none") return false;
  if (type->text == "graphdata") return true;
  return Error("the key holds no graph but a " + printable(type->text, kShownBytesMax)).in(name_);
}

Result<GraphRows> Graph::ask(const char* command, const Cypher& cypher) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(kQueryTimeout).count();
  auto reply = server_.command({command, name_, cypher.query(), "TIMEOUT", std::to_string(milliseconds)},
                               kQueryTimeout + kAnswerLag);
  if (!reply) return reply.error();
  std::vector<RedisValue>& parts = reply->elements;
  if (reply->kind != RedisValue::Kind::kArray) return no_result_set();
  if (parts.size() == 1) return GraphRows();  // only statistics
  if (parts.size() != 3 || parts[1].kind != RedisValue::Kind::kArray) return no_result_set();
  GraphRows rows;
  for (RedisValue& row : parts[1].elements) {
    if (row.kind != RedisValue::Kind::kArray) return no_result_set();
    rows.push_back(std::move(row.elements));
  }
  return rows;
}

Result<GraphRows> Graph::query(const Cypher& cypher) {
  return ask("GRAPH.QUERY", cypher);
}

Result<GraphRows> Graph::read(const Cypher& cypher) {
  return ask("GRAPH.RO_QUERY", cypher);
}

Result<std::vector<std::int64_t>> Graph::numbers(const Result<GraphRows>& rows, std::size_t count) const {
  if (!rows) return rows.error();
  const Error other("the query returned something else than " + std::to_string(count) + " whole numbers");
  if (rows->size() != 1 || rows->front().size() != count) return other;
  std::vector<std::int64_t> numbers;
  for (const RedisValue& value : rows->front()) {
    const auto number = whole_number(value);
    if (!number) return other;
    numbers.push_back(*number);
  }
  return numbers;
}

Result<NodeWindows> NodeWindows::of(Graph& graph, std::int64_t width) {
  // coalesce: a graph without nodes has no highest id.
  const auto highest = graph.numbers(graph.read(Cypher("MATCH (n) RETURN coalesce(max(id(n)), -1)")), 1);
  if (!highest) return highest.error();
  return NodeWindows(width, highest->front());
}

}  // namespace stargazer::jobs
