// Every table of a configuration except the tasks and supervised workers themselves.
#include <algorithm>

#include "config/draft.h"

namespace stargazer {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kUnitsMax = 256;
constexpr std::size_t kFeedListMax = 64;
constexpr std::uint32_t kEntryBytesMin = 4096;
constexpr std::uint32_t kEntryBytesMax = 32U * 1024 * 1024;
constexpr std::size_t kSentinelsMax = 16;

constexpr std::array kNodeKeys{
    Key<NodeConfig>{"id", Key<NodeConfig>::Text{&NodeConfig::id, node_id}},
    Key<NodeConfig>{"state_dir", Key<NodeConfig>::Text{&NodeConfig::state_dir, absolute_path}},
};

using RedisKey = Key<RedisConfig>;
constexpr std::array kRedisKeys{
    RedisKey{"url", RedisKey::Text{&RedisConfig::url, redis_url}},
    RedisKey{"username", RedisKey::Text{&RedisConfig::username, any_text}},
    RedisKey{"password_file", RedisKey::Text{&RedisConfig::password_file, absolute_path_or_empty}},
    RedisKey{"command_timeout", RedisKey::Time{&RedisConfig::command_timeout, 10ms, 10min}},
    RedisKey{"sentinels", RedisKey::Texts{&RedisConfig::sentinels, kSentinelsMax, sentinel_addresses}},
    RedisKey{"master_name", RedisKey::Text{&RedisConfig::master_name, name_or_empty}},
};

constexpr std::array kKgKeys{
    Key<KgConfig>{"url", Key<KgConfig>::Text{&KgConfig::url, redis_url_or_empty}},
    Key<KgConfig>{"graph", Key<KgConfig>::Text{&KgConfig::graph, redis_key}},
};

using OpenrouterKey = Key<OpenrouterConfig>;
constexpr std::array kOpenrouterKeys{
    OpenrouterKey{"base_url", OpenrouterKey::Text{&OpenrouterConfig::base_url, http_url}},
    OpenrouterKey{"api_key_file", OpenrouterKey::Text{&OpenrouterConfig::api_key_file, absolute_path_or_empty}},
};

// Each provider overrides the one of that name in an earlier file.
void read_providers(const Entry& from, PythonConfig& python, const Place& place) {
  const Place inner = place.inner(from.key);
  read_entries(from.value, from.at, inner, kGivenTwice, [&](const Entry& entry) {
    const std::vector<std::string_view> names(kProviderNames.begin(), kProviderNames.end());
    if (std::find(names.begin(), names.end(), entry.key) == names.end()) {
      return inner.problem(entry, "is not a known provider" + suggestion(entry.key, names));
    }
    Result<std::string> target = text_of(entry.value, python_target);
    if (!target) return inner.problem(entry, target.error().message());
    python.providers[entry.key] = std::move(*target);
  });
}

constexpr std::array kPythonKeys{
    Key<PythonConfig>{"interpreter", Key<PythonConfig>::Text{&PythonConfig::interpreter, absolute_path}},
    Key<PythonConfig>{"root", Key<PythonConfig>::Text{&PythonConfig::root, absolute_path}},
    Key<PythonConfig>{"providers", &read_providers},
};

constexpr std::array kBotRunnerKeys{
    Key<BotRunnerConfig>{"provider", Key<BotRunnerConfig>::Text{&BotRunnerConfig::provider, python_target}},
};

using SchedulerKey = Key<SchedulerConfig>;
constexpr std::array kSchedulerKeys{
    SchedulerKey{"catalogue", SchedulerKey::Text{&SchedulerConfig::catalogue, any_text}},
    SchedulerKey{"max_concurrent_runs", SchedulerKey::Number{&SchedulerConfig::max_concurrent_runs, 1, 10'000}},
    SchedulerKey{"max_warm_workers", SchedulerKey::Number{&SchedulerConfig::max_warm_workers, 0, 10'000}},
    SchedulerKey{"stop_deadline", SchedulerKey::Time{&SchedulerConfig::stop_deadline, 1s, 1h}},
    SchedulerKey{"drain_deadline", SchedulerKey::Time{&SchedulerConfig::drain_deadline, 10ms, 1h}},
    SchedulerKey{"output_line_bytes_max",
                 SchedulerKey::Number{&SchedulerConfig::output_line_bytes_max, 64, 1024 * 1024}},
    SchedulerKey{"output_lines_per_s_max",
                 SchedulerKey::Number{&SchedulerConfig::output_lines_per_s_max, 0, 1'000'000}},
    SchedulerKey{"output_lines_burst", SchedulerKey::Number{&SchedulerConfig::output_lines_burst, 1, 10'000'000}},
};

constexpr std::array kPoolKeys{
    Key<PoolConfig>{"limit", Key<PoolConfig>::Number{&PoolConfig::limit, 1, 10'000}},
};

using LeaseKey = Key<LeaseConfig>;
constexpr std::array kLeaseKeys{
    LeaseKey{"key", LeaseKey::Text{&LeaseConfig::key, redis_key}},
    LeaseKey{"ttl", LeaseKey::Time{&LeaseConfig::ttl, 1s, 1h}},
    LeaseKey{"heartbeat", LeaseKey::Time{&LeaseConfig::heartbeat, 10ms, 1h, true}},
    LeaseKey{"soft_stop", LeaseKey::Time{&LeaseConfig::soft_stop, 10ms, 1h, true}},
    LeaseKey{"hard_kill", LeaseKey::Time{&LeaseConfig::hard_kill, 10ms, 1h, true}},
    LeaseKey{"request_timeout", LeaseKey::Time{&LeaseConfig::request_timeout, 10ms, 1h, true}},
    LeaseKey{"retry_pause", LeaseKey::Time{&LeaseConfig::retry_pause, 10ms, 1h, true}},
    LeaseKey{"nodes", LeaseKey::Number{&LeaseConfig::nodes, 1, 10'000}},
    LeaseKey{"replicas", LeaseKey::Number{&LeaseConfig::replicas, 0, 100}},
};

// A limit below that of a typical entry would leave nothing but marks.
void read_max_entry_bytes(const Entry& entry, FeedConfig& feed, const Place& place) {
  const Result<std::uint32_t> bytes = number_of(entry.value, 0, kEntryBytesMax);
  if (bytes && (*bytes == 0 || *bytes >= kEntryBytesMin)) {
    feed.max_entry_bytes = *bytes;
    return;
  }
  const std::string allowed =
      "allowed is 0 and an integer from " + std::to_string(kEntryBytesMin) + " to " + std::to_string(kEntryBytesMax);
  place.problem(entry, bytes ? "is " + std::to_string(*bytes) + ", " + allowed : bytes.error().message());
}

using FeedKey = Key<FeedConfig>;
constexpr std::array kFeedKeys{
    FeedKey{"units", FeedKey::Texts{&FeedConfig::units, kUnitsMax, unit_names}},
    FeedKey{"channel", FeedKey::Text{&FeedConfig::channel, redis_key}},
    FeedKey{"backlog", FeedKey::Number{&FeedConfig::backlog, 0, 1'000'000}},
    FeedKey{"directory", FeedKey::Text{&FeedConfig::directory, absolute_path_or_empty}},
    FeedKey{"namespace", FeedKey::Text{&FeedConfig::name_space, name_or_empty}},
    FeedKey{"keep_position", FeedKey::Flag{&FeedConfig::keep_position}},
    FeedKey{"stream", FeedKey::Text{&FeedConfig::stream, redis_key_or_empty}},
    FeedKey{"stream_max_length", FeedKey::Number{&FeedConfig::stream_max_length, 1, 1'000'000'000}},
    FeedKey{"gaps_key", FeedKey::Text{&FeedConfig::gaps_key, redis_key_or_empty}},
    FeedKey{"poll", FeedKey::Time{&FeedConfig::poll, 1ms, 1s, true}},
    FeedKey{"fields", FeedKey::Texts{&FeedConfig::fields, kFeedListMax, journal_fields}},
    FeedKey{"max_entry_bytes", FeedKey::Special{read_max_entry_bytes}},
    FeedKey{"max_priority", FeedKey::Number{&FeedConfig::max_priority, 0, 7}},
    FeedKey{"include_identifiers", FeedKey::Texts{&FeedConfig::include_identifiers, kFeedListMax, identifier_globs}},
    FeedKey{"exclude_identifiers", FeedKey::Texts{&FeedConfig::exclude_identifiers, kFeedListMax, identifier_globs}},
};

using EventsKey = Key<EventsConfig>;
constexpr std::array kEventsKeys{
    EventsKey{"channel", EventsKey::Text{&EventsConfig::channel, redis_key}},
    EventsKey{"key_prefix", EventsKey::Text{&EventsConfig::key_prefix, redis_key}},
    EventsKey{"ttl", EventsKey::Time{&EventsConfig::ttl, 1s, kDurationMax, true}},
    EventsKey{"queue_max", EventsKey::Number{&EventsConfig::queue_max, 1, 1'000'000}},
};

template <typename T>
T& present(T& section) {
  return section;
}
template <typename T>
T& present(std::optional<T>& section) {
  return section ? *section : section.emplace();
}

// A table of fixed keys: it is there as soon as one file has it.
template <auto Member, const auto& Keys>
void read_fixed(const Entry& from, ConfigDraft& draft, const Place& place) {
  KeyOrigins origins;
  read_table(from, Keys, present(draft.config.*Member), origins, place);
  draft.origins[place.path] = place.origin_of(from.at);
  for (const std::string_view name : names_of(Keys)) {
    if (const Origin* origin = origins.find(name)) draft.origins[place.path_of(name)] = *origin;
  }
}

void read_flags(const Entry& from, ConfigDraft& draft, const Place& place) {
  read_entries(from.value, from.at, place, kGivenTwice, [&](const Entry& entry) {
    Result<FlagValue> value = flag_of(entry.value);
    std::string problem = value ? flag_name_or_empty(entry.key) : value.error().message();
    if (draft.config.flags.size() >= kFlagsMax && !draft.config.flags.contains(entry.key)) {
      problem = "is one flag too many, allowed are " + std::to_string(kFlagsMax);
    }
    if (!problem.empty()) return place.problem(entry, problem);
    draft.config.flags[entry.key] = std::move(*value);
  });
}

void read_pools(const Entry& from, ConfigDraft& draft, const Place& place) {
  auto& pools = draft.config.pools;
  read_entries(from.value, from.at, place, kGivenTwice, [&](const Entry& entry) {
    std::string problem = name_problem(entry.key);
    if (pools.size() >= kPoolsMax && !pools.contains(entry.key)) {
      problem = "is one pool too many, allowed are " + std::to_string(kPoolsMax);
    }
    if (!problem.empty()) return place.problem(entry, problem);
    KeyOrigins origins;
    read_table(entry, kPoolKeys, pools[entry.key], origins, place.inner(entry.key));
  });
}

template <const auto& Keys>
std::vector<std::string_view> fixed_keys() {
  return names_of(Keys);
}

std::vector<std::string_view> any_key() {
  return {"*"};
}

struct Section {
  std::string_view name;
  void (*read)(const Entry& from, ConfigDraft& draft, const Place& place);
  std::vector<std::string_view> (*keys)();
  bool keys_below_a_name = false;  // [section.NAME]
};

constexpr std::array kSections{
    Section{"node", read_fixed<&Config::node, kNodeKeys>, fixed_keys<kNodeKeys>},
    Section{"redis", read_fixed<&Config::redis, kRedisKeys>, fixed_keys<kRedisKeys>},
    Section{"kg", read_fixed<&Config::kg, kKgKeys>, fixed_keys<kKgKeys>},
    Section{"openrouter", read_fixed<&Config::openrouter, kOpenrouterKeys>, fixed_keys<kOpenrouterKeys>},
    Section{"python", read_fixed<&Config::python, kPythonKeys>, fixed_keys<kPythonKeys>},
    Section{"bot_runner", read_fixed<&Config::bot_runner, kBotRunnerKeys>, fixed_keys<kBotRunnerKeys>},
    Section{"flags", read_flags, any_key},
    Section{"scheduler", read_fixed<&Config::scheduler, kSchedulerKeys>, fixed_keys<kSchedulerKeys>},
    Section{"pools", read_pools, fixed_keys<kPoolKeys>, true},
    Section{"lease", read_fixed<&Config::lease, kLeaseKeys>, fixed_keys<kLeaseKeys>},
    Section{"feed", read_fixed<&Config::feed, kFeedKeys>, fixed_keys<kFeedKeys>},
    Section{"events", read_fixed<&Config::events, kEventsKeys>, fixed_keys<kEventsKeys>},
    Section{"tasks", read_tasks, task_keys, true},
    Section{"supervised", read_supervised, supervised_keys, true},
};

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kSections));
  for (const Section& section : kSections) names.push_back(section.name);
  return names;
}

}  // namespace

void read_document(const Entry& document, std::uint32_t file, ConfigDraft& draft, ProblemList& problems) {
  const Place place{problems, file, ""};
  read_entries(document.value, document.at, place, kGivenTwice, [&](const Entry& entry) {
    for (const Section& section : kSections) {
      if (section.name == entry.key) return section.read(entry, draft, place.inner(entry.key));
    }
    place.problem(entry, "is not a known table" + suggestion(entry.key, section_names()));
  });
}

std::vector<std::string> known_keys() {
  std::vector<std::string> known;
  for (const Section& section : kSections) {
    const std::string path = std::string(section.name) + (section.keys_below_a_name ? ".*." : ".");
    for (const std::string_view key : section.keys()) known.push_back(path + std::string(key));
  }
  return known;
}

}  // namespace stargazer
