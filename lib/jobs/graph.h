// One graph of a FalkorDB server.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/result.h"
#include "core/time.h"
#include "jobs/cypher.h"
#include "jobs/redis_link.h"

namespace stargazer::jobs {

// What a query returned: a row a result, a value a column. Numbers that are not whole come as texts.
using GraphRows = std::vector<std::vector<RedisValue>>;

class Graph {
 public:
  // The server gives a query up after this; the link waits a little longer for that answer.
  static constexpr Duration kQueryTimeout = std::chrono::seconds(30);

  // `server` must outlive it.
  Graph(RedisLink& server, std::string name) : server_(server), name_(std::move(name)) {}

  // Fails when the key is there but no graph, or the server has no graphs at all.
  Result<bool> exists();

  // A query that changes something takes effect whole or not at all. Fails on an error of the server's and on a reply
  // that is no result set.
  Result<GraphRows> query(const Cypher& cypher);
  // The server refuses it if it would change something.
  Result<GraphRows> read(const Cypher& cypher);

  // The whole numbers of the one row that the query returns, `count` of them. Fails on anything else.
  Result<std::vector<std::int64_t>> numbers(const Result<GraphRows>& rows, std::size_t count) const;

  RedisLink& server() { return server_; }
  const std::string& name() const { return name_; }

 private:
  Result<GraphRows> ask(const char* command, const Cypher& cypher);

  RedisLink& server_;
  const std::string name_;
};

// The ids of all nodes in windows [from, to) of one width, so that the work of a query has a bound however large the
// graph is. Nodes that are made while it goes on may be left out: the next run sees them.
class NodeWindows {
 public:
  // Asks the graph for its highest id. REQUIRES: width > 0.
  static Result<NodeWindows> of(Graph& graph, std::int64_t width);

  bool done() const { return from_ > id_max_; }
  std::int64_t from() const { return from_; }
  std::int64_t to() const { return from_ + width_; }
  void next() { from_ += width_; }

  // For progress.
  double passed() const { return static_cast<double>(from_ > id_max_ ? id_max_ + 1 : from_); }
  double total() const { return static_cast<double>(id_max_ + 1); }

 private:
  NodeWindows(std::int64_t width, std::int64_t id_max) : width_(width), id_max_(id_max) {}

  std::int64_t width_;
  std::int64_t id_max_;  // -1: there is no node
  std::int64_t from_ = 0;
};

}  // namespace stargazer::jobs
