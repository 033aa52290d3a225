#include "daemon/run_params.h"

#include <utility>

#include <nlohmann/json.hpp>

#include "io/worker_rpc.h"

namespace stargazer {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json redis_json(const RedisConfig& redis) {
  return {{"url", redis.url},
          {"username", redis.username},
          {"password_file", redis.password_file},
          {"sentinels", redis.sentinels},
          {"master_name", redis.master_name}};
}

// Where a plugin finds what its job works on. Of a secret only the file that holds it.
Json plugin_setup_json(const Config& config) {
  Json setup = Json::object();
  if (config.redis) setup["redis"] = redis_json(*config.redis);
  if (config.kg) setup["kg"] = {{"url", config.kg->url}, {"graph", config.kg->graph}};
  if (config.openrouter) {
    setup["openrouter"] = {{"base_url", config.openrouter->base_url},
                           {"api_key_file", config.openrouter->api_key_file}};
  }
  return setup;
}

// Read back from what config/settings_reader.h wrote.
Json settings_json(const Settings* settings) {
  Json json = Json::object();
  for (const auto& [name, value] : settings == nullptr ? Settings{} : *settings) json[name] = Json::parse(value);
  return json;
}

Json flags_json(const Config& config) {
  Json flags = Json::object();
  for (const auto& [name, value] : config.flags) {
    std::visit([&, &key = name](const auto& held) { flags[key] = held; }, value);
  }
  return flags;
}

// What the bridge makes objects from.
Json python_setup_json(const Config& config) {
  Json setup = plugin_setup_json(config);
  setup["root"] = config.python->root;
  setup["providers"] = Json(config.python->providers);
  if (config.bot_runner) setup["providers"].emplace("bot_runner", config.bot_runner->provider);
  return setup;
}

}  // namespace

RunParams::RunParams(const Config& config, std::string node_id) : node_id_(std::move(node_id)) {
  const std::string flags = dump(flags_json(config));
  flags_left_out_ = flags.size() > kFlagsBytesMax;
  if (!flags_left_out_) flags_ = flags;
  plugin_setup_ = ",\"setup\":" + dump(plugin_setup_json(config));
  if (config.python) python_setup_ = ",\"setup\":" + dump(python_setup_json(config));
}

std::string RunParams::json(const SpawnRequest& request, WallTime wall_now) const {
  Json params{{"protocol", kRpcProtocol},   {"task", request.name}, {"run_id", request.run_id_text},
              {"attempt", request.attempt}, {"timeout_s", nullptr}, {"deadline", nullptr},
              {"arguments", Json::array()}, {"lease", nullptr},     {"settings", settings_json(request.settings)}};
  if (request.timeout > Duration::zero()) {
    params["timeout_s"] = to_seconds(request.timeout);
    params["deadline"] = std::chrono::duration<double>(wall_now.time_since_epoch() + request.timeout).count();
  }
  for (const Dependency argument : request.arguments.members()) params["arguments"].push_back(name_of(argument));
  if (request.epoch != 0) params["lease"] = {{"holder", node_id_}, {"token", request.epoch}};
  const auto* python = std::get_if<PythonJob>(request.job);
  if (python != nullptr) params["python"] = python->target;
  if (const auto* plugin = std::get_if<PluginJob>(request.job)) params["job"] = plugin->job;
  if (request.warm != nullptr) params["keep"] = true;
  std::string text = dump(params);
  text.pop_back();
  text += ",\"flags\":" + flags_;
  if (python != nullptr) text += python_setup_;
  if (std::holds_alternative<PluginJob>(*request.job)) text += plugin_setup_;
  return text + "}";
}

}  // namespace stargazer
