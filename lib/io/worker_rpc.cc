#include "io/worker_rpc.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace stargazer {
namespace {

using Json = nlohmann::json;

Error refused(const Json& id, RpcError code, std::string_view message) {
  return Error(rpc_error(id.dump(-1, ' ', false, Json::error_handler_t::replace), code, message));
}

bool usable_id(const Json& id) {
  return id.is_string() || id.is_number() || id.is_null();
}

// The id of whatever was sent, for an error about it; null when there is none that can be used.
Json id_of(const Json& object) {
  const auto found = object.find("id");
  return found != object.end() && usable_id(*found) ? *found : Json();
}

Result<std::vector<std::string>> read_params(const Json& object) {
  std::vector<std::string> params;
  const auto found = object.find("params");
  if (found == object.end()) return params;
  if (!found->is_array()) return refused(id_of(object), RpcError::kInvalidParams, "params must be an array of strings");
  for (const Json& param : *found) {
    if (!param.is_string())
      return refused(id_of(object), RpcError::kInvalidParams, "params must be an array of strings");
    params.push_back(param.get<std::string>());
  }
  return params;
}

}  // namespace

Result<RpcRequest> parse_rpc(std::string_view line) {
  const Json object = Json::parse(line, nullptr, false);
  if (object.is_discarded()) return refused(Json(), RpcError::kParse, "this line is not JSON");
  if (!object.is_object()) return refused(Json(), RpcError::kInvalidRequest, "a request is one JSON object");
  if (const auto version = object.find("jsonrpc"); version == object.end() || *version != "2.0") {
    return refused(id_of(object), RpcError::kInvalidRequest, "\"jsonrpc\" must be \"2.0\"");
  }
  const auto method = object.find("method");
  if (method == object.end() || !method->is_string()) {
    return refused(id_of(object), RpcError::kInvalidRequest, "\"method\" must be a string");
  }
  const auto id = object.find("id");
  if (id != object.end() && !usable_id(*id)) {
    return refused(Json(), RpcError::kInvalidRequest, "\"id\" must be a string, a number or null");
  }
  Result<std::vector<std::string>> params = read_params(object);
  if (!params.ok()) return params.error();
  RpcRequest request;
  if (id != object.end()) request.id = id->dump(-1, ' ', false, Json::error_handler_t::replace);
  request.method = method->get<std::string>();
  request.params = std::move(params).value();
  return request;
}

std::string rpc_result(const RpcRequest& request, std::string_view result) {
  return R"({"jsonrpc":"2.0","id":)" + request.id + R"(,"result":)" + std::string(result) + "}";
}

std::string rpc_error(std::string_view id, RpcError code, std::string_view message) {
  const Json text(message);
  return R"({"jsonrpc":"2.0","id":)" + std::string(id.empty() ? "null" : id) + R"(,"error":{"code":)" +
         std::to_string(static_cast<int>(code)) + R"(,"message":)" +
         text.dump(-1, ' ', false, Json::error_handler_t::replace) + "}}";
}

}  // namespace stargazer
