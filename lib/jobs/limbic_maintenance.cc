#include "jobs/limbic_maintenance.h"

#include <algorithm>
#include <charconv>

#include "jobs/graph.h"
#include "jobs/settings.h"
#include "jobs/setup.h"

namespace stargazer::jobs {
namespace {

JobOutcome graph_failure(const Error& error) {
  return JobOutcome::failed(kGraphError, error.message());
}

class Maintenance {
 public:
  Maintenance(const MaintenanceSettings& settings, Graph& graph, JobHost& host)
      : settings_(settings), graph_(graph), host_(host) {}

  JobOutcome run();

 private:
  using Ids = std::vector<std::int64_t>;

  Status read_time();
  EarlyEnd over_window(const NodeWindows& window);
  Result<Ids> orphans(const NodeWindows& window);
  EarlyEnd look(const Ids& ids);
  EarlyEnd mark(const Ids& ids);
  EarlyEnd unmark(const NodeWindows& window, const Ids& ids);
  EarlyEnd remove(const Ids& ids);
  EarlyEnd change(const Cypher& cypher, std::int64_t* changed);
  Cypher over_ids(const Ids& ids, const std::string& tail) const;
  void report() const;

  const MaintenanceSettings& settings_;
  Graph& graph_;
  JobHost& host_;
  std::int64_t now_ms_ = 0;  // by the server's clock: marks of several nodes can be compared

  std::int64_t orphans_ = 0;
  std::int64_t protected_ = 0;
  std::int64_t ripe_ = 0;  // past their grace, of those that one look has found
  std::int64_t marked_ = 0;
  std::int64_t unmarked_ = 0;
  std::int64_t removed_ = 0;
  std::int64_t due_ = 0;  // in all, for a dry run
};

// The orphans of `ids` as they are now, with what decides: is_free, that no category protects it; since, when it was
// marked, null without one. REQUIRES of `tail`: it begins after a WITH.
Cypher Maintenance::over_ids(const Ids& ids, const std::string& tail) const {
  const std::string category = "n." + settings_.category_property;
  const std::string mark = "n." + settings_.mark_property;
  const std::string detached = settings_.detached_only ? " AND NOT (n)--()" : "";
  const std::string uncategorised = settings_.protect_uncategorised ? "0" : "1";
  Cypher cypher("UNWIND $ids AS i MATCH (n) WHERE id(n) = i" + detached + " WITH n, CASE WHEN typeOf(" + category +
                ") <> 'String' THEN " + uncategorised + " WHEN " + category +
                " IN $protected THEN 0 ELSE 1 END AS is_free, CASE WHEN typeOf(" + mark + ") = 'Integer' THEN " + mark +
                " ELSE null END AS since " + tail);
  const auto grace_ms = std::chrono::duration_cast<std::chrono::milliseconds>(settings_.grace).count();
  cypher.with("ids", ids).with("protected", settings_.protected_categories);
  cypher.with("now", now_ms_).with("ripe_at", now_ms_ - static_cast<std::int64_t>(grace_ms));
  return cypher;
}

Status Maintenance::read_time() {
  auto time = graph_.server().command({"TIME"});
  if (!time) return time.error();
  if (time->elements.size() != 2) return Error("TIME: a reply that is none");
  const std::string& seconds = time->elements[0].text;
  const auto read = std::from_chars(seconds.data(), seconds.data() + seconds.size(), now_ms_);
  if (read.ec != std::errc() || now_ms_ <= 0) return Error("TIME: a reply that is none");
  now_ms_ *= 1000;
  return {};
}

Result<Maintenance::Ids> Maintenance::orphans(const NodeWindows& window) {
  const auto rows = graph_.read(Cypher(settings_.orphans).with("from", window.from()).with("to", window.to()));
  if (!rows) return rows.error().in("settings.orphans");
  Ids ids;
  for (const std::vector<RedisValue>& row : *rows) {
    if (row.size() != 1 || row[0].kind != RedisValue::Kind::kInteger) {
      return Error("settings.orphans: the query returns something else than ids of nodes, one a row");
    }
    if (row[0].integer < window.from() || row[0].integer >= window.to()) {
      return Error("settings.orphans: the query returns the id " + std::to_string(row[0].integer) +
                   ", which is not at least $from and below $to");
    }
    ids.push_back(row[0].integer);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

EarlyEnd Maintenance::look(const Ids& ids) {
  const auto counted = graph_.numbers(
      graph_.read(over_ids(ids,
                           "RETURN count(n), sum(1 - is_free), sum(CASE WHEN is_free = 1 AND coalesce(since, $now) "
                           "<= $ripe_at THEN 1 ELSE 0 END)")),
      3);
  if (!counted) return graph_failure(counted.error());
  orphans_ += (*counted)[0];
  protected_ += (*counted)[1];
  ripe_ = (*counted)[2];
  due_ += ripe_;
  return std::nullopt;
}

EarlyEnd Maintenance::change(const Cypher& cypher, std::int64_t* changed) {
  if (auto end = before_change(host_)) return end;
  const auto count = graph_.numbers(graph_.query(cypher), 1);
  if (!count) return graph_failure(count.error());
  *changed += count->front();
  return std::nullopt;
}

EarlyEnd Maintenance::mark(const Ids& ids) {
  return change(
      over_ids(ids, "WHERE is_free = 1 AND since IS NULL SET n." + settings_.mark_property + " = $now RETURN count(n)"),
      &marked_);
}

EarlyEnd Maintenance::remove(const Ids& ids) {
  const std::int64_t left = settings_.delete_max - removed_;
  Cypher cypher = over_ids(ids,
                           "WHERE is_free = 1 AND coalesce(since, $now) <= $ripe_at WITH n LIMIT $limit DELETE n "
                           "RETURN count(n)");
  return change(cypher.with("limit", left), &removed_);
}

// Those of the window that have a mark and are not among the orphans that the query has just named.
EarlyEnd Maintenance::unmark(const NodeWindows& window, const Ids& ids) {
  const std::string mark = "n." + settings_.mark_property;
  const std::string stale =
      "MATCH (n) WHERE id(n) >= $from AND id(n) < $to AND " + mark + " IS NOT NULL AND NOT id(n) IN $ids ";
  const auto with_values = [&](Cypher cypher) {
    return cypher.with("from", window.from()).with("to", window.to()).with("ids", ids);
  };
  const auto found = graph_.numbers(graph_.read(with_values(Cypher(stale + "RETURN count(n)"))), 1);
  if (!found) return graph_failure(found.error());
  if (found->front() == 0) return std::nullopt;
  return change(with_values(Cypher(stale + "SET " + mark + " = null RETURN count(n)")), &unmarked_);
}

EarlyEnd Maintenance::over_window(const NodeWindows& window) {
  const auto ids = orphans(window);
  if (!ids) return graph_failure(ids.error());
  const bool marks = settings_.grace > Duration::zero();
  if (!settings_.dry_run && marks) {
    if (auto end = unmark(window, *ids)) return end;
  }
  if (ids->empty()) return std::nullopt;
  if (auto end = look(*ids)) return end;
  if (settings_.dry_run) return std::nullopt;
  if (marks) {
    if (auto end = mark(*ids)) return end;
  }
  if (ripe_ == 0 || removed_ >= settings_.delete_max) return std::nullopt;
  return remove(*ids);
}

void Maintenance::report() const {
  host_.count("orphans", static_cast<double>(orphans_));
  host_.count("protected", static_cast<double>(protected_));
  host_.count("marked", static_cast<double>(marked_));
  host_.count("unmarked", static_cast<double>(unmarked_));
  host_.count("removed", static_cast<double>(removed_));
  const std::string due = std::to_string(due_);
  if (settings_.dry_run) return host_.log(LogLevel::kInfo, "dry run: " + due + " orphans would be removed");
  if (removed_ > 0) host_.log(LogLevel::kInfo, "removed " + std::to_string(removed_) + " orphans");
  if (due_ > removed_ && removed_ >= settings_.delete_max) {
    host_.log(LogLevel::kWarning, "settings.delete_max is reached: " + std::to_string(due_ - removed_) +
                                      " orphans that are due wait for the next run");
  }
}

JobOutcome Maintenance::run() {
  const auto exists = graph_.exists();
  if (!exists) return graph_failure(exists.error());
  if (!*exists) return JobOutcome::skipped("there is no graph " + graph_.name());
  if (const Status read = read_time(); !read) return JobOutcome::failed(kRedisError, read.error().message());
  auto windows = NodeWindows::of(graph_, settings_.batch);
  if (!windows) return graph_failure(windows.error());
  EarlyEnd end;
  while (!windows->done() && !end) {
    if (host_.stop_requested()) {
      end = before_change(host_);
    } else {
      end = over_window(*windows);
      windows->next();
      host_.progress(windows->passed(), windows->total(), std::to_string(removed_) + " orphans removed");
    }
  }
  report();
  return end ? *end : JobOutcome::ok();
}

}  // namespace

Result<MaintenanceSettings> read_maintenance_settings(const Json& params) {
  MaintenanceSettings settings;
  SettingsReader reader(params);
  const std::string graph = graph_name(params);
  settings.graph = reader.text("graph", graph.empty() ? settings.graph.c_str() : graph.c_str(), 1);
  settings.orphans = reader.text("orphans", settings.orphans.c_str(), 1, SettingsReader::kTextBytesMax);
  settings.detached_only = reader.flag("detached_only", settings.detached_only);
  settings.category_property = reader.identifier("category_property", settings.category_property.c_str());
  settings.protected_categories = reader.texts("protected_categories", settings.protected_categories);
  settings.protect_uncategorised = reader.flag("protect_uncategorised", settings.protect_uncategorised);
  settings.grace = reader.duration("grace", "7d", Duration::zero(), kDurationMax);
  settings.mark_property = reader.identifier("mark_property", settings.mark_property.c_str());
  // The query answers at most a row a node, and a reply has at most 4096.
  settings.batch = reader.integer("batch", settings.batch, 1, 4000);
  settings.delete_max = reader.integer("delete_max", settings.delete_max, 1, INT64_MAX);
  settings.dry_run = reader.flag("dry_run", settings.dry_run);
  if (Status status = reader.finish(); !status) return status.error();
  return settings;
}

JobOutcome limbic_maintenance(std::string_view text, JobHost& host) {
  const auto params = parse_json(text);
  if (!params) return JobOutcome::failed(kSettingsError, "the run's parameters are no JSON");
  const auto settings = read_maintenance_settings(*params);
  if (!settings) return JobOutcome::failed(kSettingsError, settings.error().message());
  if (!flag_of(*params, "ka_enabled", true)) return JobOutcome::skipped("ka_enabled is false");
  if (!has_graph_server(*params)) return JobOutcome::skipped(kNoGraphServer);
  auto server = connect_graph_server(*params);
  if (!server) return JobOutcome::failed(kRedisError, server.error().message());
  Graph graph(*server, settings->graph);
  return Maintenance(*settings, graph, host).run();
}

}  // namespace stargazer::jobs
