#include "jobs/kg_decay.h"

#include <charconv>

#include "jobs/graph.h"
#include "jobs/settings.h"
#include "jobs/setup.h"

namespace stargazer::jobs {
namespace {

constexpr const char* kNumberTypes = "['Integer', 'Float']";
constexpr std::size_t kPreviewLettersMax = 100;  // of an error, in the preview of an event

// What a relationship is to the job. `weight` and `factor` are null where it must stay as it is; every comparison with
// null is not true, so a wrong type never becomes an error of the whole query.
std::string match_text(const DecaySettings& settings) {
  const std::string weight = "e." + settings.weight_property;
  const std::string category = "e." + settings.category_property;
  const std::string priority = "e." + settings.priority_property;
  const std::string is_core = category + " = $core OR " + priority + " >= $core_priority";
  const std::string is_guild = category + " = $guild OR " + priority + " = $guild_priority";
  const std::string is_of_a_tier = "typeOf(" + category + ") = 'String' OR typeOf(" + priority + ") IN " + kNumberTypes;
  return "MATCH (n) WHERE id(n) >= $from AND id(n) < $to MATCH (n)-[e]->() WITH e, CASE WHEN typeOf(" + weight +
         ") IN " + kNumberTypes + " THEN " + weight + " ELSE null END AS weight, CASE WHEN " + is_core +
         " THEN null WHEN " + is_guild + " THEN $guild_factor WHEN " + is_of_a_tier +
         " THEN $factor ELSE null END AS factor, CASE WHEN " + is_core + " THEN 1 ELSE 0 END AS is_core, CASE WHEN " +
         is_core + " THEN 0 WHEN e." + settings.pass_property + " >= $pass THEN 1 ELSE 0 END AS is_done ";
}

// The key of the pass holds its number and "open" or "done". The number is the server's time in milliseconds, and above
// that of the pass before whatever the clock says: a relationship that carries it or a later one is done. So a run that
// was left behind, by a pass or more, finds nothing to change.
constexpr const char* kBegin = R"(
local number, state = string.match(redis.call('GET', KEYS[1]) or '0 done', '^(%d+) (%l+)$')
if state ~= 'open' and state ~= 'done' then
  return redis.error_reply('ERR the key ' .. KEYS[1] .. ' holds no pass; delete it to begin a new one')
end
if state == 'open' then return {number, 1} end
local time = redis.call('TIME')
local begun = math.max(time[1] * 1000 + math.floor(time[2] / 1000), number + 1)
number = string.format('%.0f', begun)
redis.call('SET', KEYS[1], number .. ' open')
return {number, 0}
)";

// Only if the pass is still open: another node may have ended it, and begun the next, while we were away.
constexpr const char* kEnd = R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] .. ' open' then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' done')
return 1
)";

constexpr const char* kDue = "is_done = 0 AND weight * factor";

// One pass, from its number to its last relationship.
class DecayPass {
 public:
  DecayPass(const DecaySettings& settings, Graph& graph, JobHost& host)
      : settings_(settings), graph_(graph), host_(host), match_(match_text(settings)) {}

  JobOutcome run();

 private:
  Status begin();
  EarlyEnd over_graph();
  EarlyEnd over_window(const NodeWindows& window);
  EarlyEnd change(const NodeWindows& window, const std::string& what, std::int64_t* changed);
  EarlyEnd finish();
  Cypher cypher(const NodeWindows& window, const std::string& tail) const;
  void tell(const NodeWindows& window) const;
  void report() const;
  static JobOutcome graph_failure(const Error& error) { return JobOutcome::failed(kGraphError, error.message()); }

  const DecaySettings& settings_;
  Graph& graph_;
  JobHost& host_;
  const std::string match_;
  std::int64_t pass_ = 0;
  bool resumed_ = false;

  std::int64_t weakened_ = 0;
  std::int64_t removed_ = 0;
  std::int64_t core_ = 0;
  std::int64_t done_before_ = 0;
  std::int64_t unusable_ = 0;
};

Status DecayPass::begin() {
  const auto begun = graph_.server().command({"EVAL", kBegin, "1", settings_.pass_key});
  if (!begun) return begun.error();
  if (begun->elements.size() != 2) return Error("the script that begins a pass: a reply that is none");
  const std::string& number = begun->elements[0].text;
  resumed_ = begun->elements[1].integer != 0;
  const char* end = number.data() + number.size();
  const auto read = std::from_chars(number.data(), end, pass_);
  if (read.ec == std::errc() && read.ptr == end && pass_ > 0) return {};
  return Error("the script that begins a pass: a number that is none");
}

Cypher DecayPass::cypher(const NodeWindows& window, const std::string& tail) const {
  Cypher cypher(match_ + tail);
  cypher.with("from", window.from()).with("to", window.to()).with("pass", pass_).with("limit", settings_.batch);
  cypher.with("core", settings_.core_category).with("core_priority", settings_.core_priority);
  cypher.with("guild", settings_.guild_category).with("guild_priority", settings_.guild_priority);
  cypher.with("factor", settings_.factor).with("guild_factor", settings_.guild_factor);
  cypher.with("least", settings_.prune_below);
  return cypher;
}

EarlyEnd DecayPass::over_window(const NodeWindows& window) {
  const auto counted = graph_.numbers(
      graph_.read(cypher(window,
                         "RETURN count(e), sum(is_core), sum(is_done), sum(CASE WHEN is_done = 0 AND weight * "
                         "factor < $least THEN 1 ELSE 0 END), sum(CASE WHEN is_done = 0 AND weight * factor >= "
                         "$least THEN 1 ELSE 0 END)")),
      5);
  if (!counted) return graph_failure(counted.error());
  const std::vector<std::int64_t>& counts = *counted;
  core_ += counts[1];
  done_before_ += counts[2];
  unusable_ += counts[0] - counts[1] - counts[2] - counts[3] - counts[4];
  const std::string due = std::string("WHERE ") + kDue;
  if (counts[3] > 0) {
    if (auto end = change(window, due + " < $least WITH e LIMIT $limit DELETE e RETURN count(e)", &removed_))
      return end;
  }
  if (counts[4] == 0) return std::nullopt;
  return change(window,
                due + " >= $least WITH e, weight * factor AS weaker LIMIT $limit SET e." + settings_.weight_property +
                    " = weaker, e." + settings_.pass_property + " = $pass RETURN count(e)",
                &weakened_);
}

// The same query until it finds nothing more to change in this window.
EarlyEnd DecayPass::change(const NodeWindows& window, const std::string& what, std::int64_t* changed) {
  for (;;) {
    if (auto end = before_change(host_)) return end;
    const auto count = graph_.numbers(graph_.query(cypher(window, what)), 1);
    if (!count) return graph_failure(count.error());
    *changed += count->front();
    tell(window);
    if (count->front() < settings_.batch) return std::nullopt;
  }
}

EarlyEnd DecayPass::finish() {
  if (auto end = before_change(host_)) return end;
  const auto ended = graph_.server().command({"EVAL", kEnd, "1", settings_.pass_key, std::to_string(pass_)});
  if (!ended) return JobOutcome::failed(kRedisError, ended.error().message());
  return std::nullopt;
}

void DecayPass::tell(const NodeWindows& window) const {
  host_.progress(window.passed(), window.total(),
                 std::to_string(weakened_) + " relationships weakened, " + std::to_string(removed_) + " removed");
}

void DecayPass::report() const {
  host_.count("weakened", static_cast<double>(weakened_));
  host_.count("removed", static_cast<double>(removed_));
  host_.count("core", static_cast<double>(core_));
  if (done_before_ > 0) host_.count("done_before", static_cast<double>(done_before_));
  if (unusable_ > 0) {
    host_.count("unusable", static_cast<double>(unusable_));
    host_.log(LogLevel::kWarning, std::to_string(unusable_) + " relationships were left as they are: their " +
                                      settings_.weight_property + " is no number, or they have neither " +
                                      settings_.category_property + " nor " + settings_.priority_property);
  }
  if (removed_ > 0) host_.log(LogLevel::kInfo, "KG decay removed " + std::to_string(removed_) + " weak relationships");
}

EarlyEnd DecayPass::over_graph() {
  if (auto end = before_change(host_)) return end;
  if (const Status begun = begin(); !begun) return JobOutcome::failed(kRedisError, begun.error().message());
  if (resumed_) host_.log(LogLevel::kInfo, "goes on with the pass that was interrupted");
  auto windows = NodeWindows::of(graph_, settings_.batch);
  if (!windows) return graph_failure(windows.error());
  for (; !windows->done(); windows->next()) {
    if (host_.stop_requested()) return before_change(host_);
    if (auto end = over_window(*windows)) return end;
  }
  tell(*windows);
  return finish();
}

JobOutcome DecayPass::run() {
  const auto exists = graph_.exists();
  if (!exists) return graph_failure(exists.error());
  if (!*exists) return JobOutcome::skipped("there is no graph " + graph_.name());
  const EarlyEnd end = over_graph();
  report();
  if (end) return *end;
  const std::string removed = std::to_string(removed_);
  host_.event({"kg_decay", "background_tasks", "ok", "removed=" + removed, R"({"removed":)" + removed + "}"});
  return JobOutcome::ok();
}

// Like Stargazer's own job does; a stop is no error of the job's.
JobOutcome with_error_event(JobOutcome outcome, JobHost& host) {
  if (outcome.kind != JobOutcome::Kind::kFailed || outcome.error == kStopped) return outcome;
  host.event({"kg_decay", "background_tasks", "error", "error=" + outcome.message.substr(0, kPreviewLettersMax),
              dump_json({{"error", outcome.message}})});
  return outcome;
}

JobOutcome decay(std::string_view text, JobHost& host) {
  const auto params = parse_json(text);
  if (!params) return JobOutcome::failed(kSettingsError, "the run's parameters are no JSON");
  const auto settings = read_decay_settings(*params);
  if (!settings) return JobOutcome::failed(kSettingsError, settings.error().message());
  if (!has_graph_server(*params)) return JobOutcome::skipped(kNoGraphServer);
  auto server = connect_graph_server(*params);
  if (!server) return JobOutcome::failed(kRedisError, server.error().message());
  Graph graph(*server, settings->graph);
  return DecayPass(*settings, graph, host).run();
}

}  // namespace

Result<DecaySettings> read_decay_settings(const Json& params) {
  DecaySettings settings;
  SettingsReader reader(params);
  const std::string graph = graph_name(params);
  settings.graph = reader.text("graph", graph.empty() ? settings.graph.c_str() : graph.c_str(), 1);
  settings.factor = reader.number("factor", settings.factor, 0.0, 1.0);
  settings.guild_factor = reader.number("guild_factor", 1.0 - (1.0 - settings.factor) / 2, 0.0, 1.0);
  settings.prune_below = reader.number("prune_below", settings.prune_below, 0.0, 1e9);
  settings.batch = reader.integer("batch", settings.batch, 1, 100'000);
  settings.weight_property = reader.identifier("weight_property", settings.weight_property.c_str());
  settings.category_property = reader.identifier("category_property", settings.category_property.c_str());
  settings.priority_property = reader.identifier("priority_property", settings.priority_property.c_str());
  settings.core_category = reader.text("core_category", settings.core_category.c_str(), 1);
  settings.guild_category = reader.text("guild_category", settings.guild_category.c_str(), 1);
  settings.core_priority = reader.integer("core_priority", settings.core_priority, 0, INT32_MAX);
  settings.guild_priority = reader.integer("guild_priority", settings.guild_priority, 0, INT32_MAX);
  settings.pass_property = reader.identifier("pass_property", settings.pass_property.c_str());
  settings.pass_key = reader.text("pass_key", ("stargazer:kg_decay:" + settings.graph).c_str(), 1);
  if (settings.pass_property == settings.weight_property) {
    reader.complain("pass_property", "must be another one than weight_property");
  }
  if (Status status = reader.finish(); !status) return status.error();
  return settings;
}

JobOutcome kg_decay(std::string_view params, JobHost& host) {
  return with_error_event(decay(params, host), host);
}

}  // namespace stargazer::jobs
