#include "io/worker_rpc.h"

#include <string>

#include "unit/catch.h"

using namespace stargazer;

namespace {

std::string refusal(const std::string& line) {
  const Result<RpcRequest> request = parse_rpc(line);
  return request.ok() ? "" : request.error().message();
}

}  // namespace

TEST_CASE("a request is read with its id, method and parameters", "[worker_rpc]") {
  const auto [line, id] = GENERATE(table<std::string, std::string>({
      {R"({"jsonrpc":"2.0","id":7,"method":"m","params":["a","b c"]})", "7"},
      {R"({"jsonrpc":"2.0","id":"x\"y","method":"m","params":["a","b c"]})", R"("x\"y")"},
      {R"({"jsonrpc":"2.0","id":null,"method":"m","params":["a","b c"]})", "null"},
      {R"({"jsonrpc":"2.0","method":"m","params":["a","b c"]})", ""},
  }));
  const Result<RpcRequest> request = parse_rpc(line);
  REQUIRE(request.ok());
  CHECK(request->id == id);
  CHECK(request->method == "m");
  CHECK(request->params == std::vector<std::string>{"a", "b c"});
}

TEST_CASE("parameters may be left out", "[worker_rpc]") {
  REQUIRE(parse_rpc(R"({"jsonrpc":"2.0","id":1,"method":"m"})").ok());
}

TEST_CASE("a line that is no request is answered with what is wrong and the id, if it has one", "[worker_rpc]") {
  const auto [line, code, id] = GENERATE(table<std::string, std::string, std::string>({
      {"", "-32700", "null"},
      {"{", "-32700", "null"},
      {"\xff\xfe", "-32700", "null"},
      {"[]", "-32600", "null"},
      {"1", "-32600", "null"},
      {R"({"id":3,"method":"m"})", "-32600", "3"},
      {R"({"jsonrpc":"1.0","id":3,"method":"m"})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":3})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":3,"method":4})", "-32600", "3"},
      {R"({"jsonrpc":"2.0","id":[3],"method":"m"})", "-32600", "null"},
      {R"({"jsonrpc":"2.0","id":3,"method":"m","params":{"a":"b"}})", "-32602", "3"},
      {R"({"jsonrpc":"2.0","id":3,"method":"m","params":[1]})", "-32602", "3"},
  }));
  INFO(line);
  const std::string answer = refusal(line);
  CHECK(answer.starts_with(R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"code":)" + code + ","));
}

TEST_CASE("deep nesting is read without deep recursion", "[worker_rpc]") {
  CHECK_FALSE(refusal(std::string(kRpcLineBytesMax, '[')).empty());
  CHECK_FALSE(refusal(std::string(100'000, '[') + std::string(100'000, ']')).empty());
}

TEST_CASE("answers are one line of JSON, whatever they carry", "[worker_rpc]") {
  const RpcRequest request{"7", "m", {}};
  CHECK(rpc_result(request, "{}") == R"({"jsonrpc":"2.0","id":7,"result":{}})");
  CHECK(rpc_error("7", RpcError::kLeaseLost, "a\n\"b\"") ==
        R"({"jsonrpc":"2.0","id":7,"error":{"code":-32003,"message":"a\n\"b\""}})");
  CHECK(rpc_error("", RpcError::kParse, "x").find(R"("id":null)") != std::string::npos);
  CHECK(rpc_error("1", RpcError::kParse, "\xff").find('\xff') == std::string::npos);
}
