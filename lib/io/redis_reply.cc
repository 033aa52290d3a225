#include "io/redis_reply.h"

#include <cassert>
#include <utility>

#include <hiredis/hiredis.h>

#include "io/printable.h"

namespace stargazer {
namespace {

// An int before hiredis 1.0, a size_t since.
#if HIREDIS_MAJOR >= 1
using ElementCount = std::size_t;
#else
using ElementCount = int;
#endif

// What the functions below leave to their reader when they refuse a value: hiredis itself would say "Out of memory".
struct Refusal {
  std::string cause;
};

void* refuse(const redisReadTask* task, std::string cause) {
  static_cast<Refusal*>(task->privdata)->cause = std::move(cause);
  return nullptr;
}

// Where the value of this task goes: the element that its array holds ready, or a new root, owned by the reader.
RedisValue* place(const redisReadTask* task) {
  if (task->parent == nullptr) return new RedisValue;
  auto* array = static_cast<RedisValue*>(task->parent->obj);
  return &array->elements[static_cast<std::size_t>(task->idx)];
}

int depth_of(const redisReadTask* task) {
  int depth = 0;
  for (const redisReadTask* outer = task->parent; outer != nullptr; outer = outer->parent) ++depth;
  return depth;
}

void* create_string(const redisReadTask* task, char* text, std::size_t size) {
  const bool is_error = task->type == REDIS_REPLY_ERROR;
  if (!is_error && task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS) {
    return refuse(task, "a reply of a type that was not asked for");
  }
  RedisValue* value = place(task);
  value->kind = is_error ? RedisValue::Kind::kError : RedisValue::Kind::kString;
  value->text.assign(text, size);
  return value;
}

void* create_array(const redisReadTask* task, ElementCount count) {
  if (task->type != REDIS_REPLY_ARRAY) return refuse(task, "a reply of a type that was not asked for");
  if (static_cast<std::size_t>(count) > RedisReplyReader::kElementsMax) {
    return refuse(task, "an array of " + std::to_string(count) + " elements");
  }
  if (depth_of(task) >= RedisReplyReader::kDepthMax) return refuse(task, "arrays nested too deeply");
  RedisValue* value = place(task);
  value->kind = RedisValue::Kind::kArray;
  value->elements.resize(static_cast<std::size_t>(count));
  return value;
}

void* create_integer(const redisReadTask* task, long long integer) {
  RedisValue* value = place(task);
  value->kind = RedisValue::Kind::kInteger;
  value->integer = integer;
  return value;
}

void* create_nil(const redisReadTask* task) {
  return place(task);
}

#if HIREDIS_MAJOR >= 1
// Without these two hiredis would hand out a number in the place of a pointer.
void* create_double(const redisReadTask* task, double /*number*/, char* /*text*/, std::size_t /*size*/) {
  return refuse(task, "a reply of a type that was not asked for");
}

void* create_bool(const redisReadTask* task, int /*truth*/) {
  return refuse(task, "a reply of a type that was not asked for");
}
#endif

void free_root(void* value) {
  delete static_cast<RedisValue*>(value);
}

redisReplyObjectFunctions reply_functions() {
  redisReplyObjectFunctions functions{};
  functions.createString = create_string;
  functions.createArray = create_array;
  functions.createInteger = create_integer;
  functions.createNil = create_nil;
#if HIREDIS_MAJOR >= 1
  functions.createDouble = create_double;
  functions.createBool = create_bool;
#endif
  functions.freeObject = free_root;
  return functions;
}

constexpr std::size_t kCauseBytesMax = 100;

}  // namespace

Result<std::string> format_redis_command(const std::vector<std::string>& args) {
  assert(!args.empty());
  std::vector<const char*> starts;
  std::vector<std::size_t> sizes;
  for (const std::string& arg : args) {
    starts.push_back(arg.data());
    sizes.push_back(arg.size());
  }
  char* formatted = nullptr;
  // An int up to hiredis 0.14, a long long since 1.0.
  const auto size = redisFormatCommandArgv(&formatted, static_cast<int>(args.size()), starts.data(), sizes.data());
  if (size < 0) return Error("out of memory for a command");
  std::string bytes(formatted, static_cast<std::size_t>(size));
  redisFreeCommand(formatted);
  return bytes;
}

class RedisReplyReader::Impl {
 public:
  Impl() : functions_(reply_functions()), reader_(redisReaderCreateWithFunctions(&functions_)) {
    assert(reader_ != nullptr);
    reader_->privdata = &refusal_;
  }
  ~Impl() { redisReaderFree(reader_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Status feed(std::string_view bytes) {
    unread_bytes_ += bytes.size();
    if (redisReaderFeed(reader_, bytes.data(), bytes.size()) != REDIS_OK) return failure();
    return {};
  }

  Result<std::optional<RedisValue>> next() {
    void* reply = nullptr;
    if (redisReaderGetReply(reader_, &reply) != REDIS_OK) return failure();
    if (reply == nullptr) {
      if (unread_bytes_ > kReplyBytesMax) return Error("protocol error: a reply of more than 1 MiB");
      return std::optional<RedisValue>();
    }
    const std::unique_ptr<RedisValue> root(static_cast<RedisValue*>(reply));
    unread_bytes_ = reader_->len - reader_->pos;
    return std::optional<RedisValue>(std::move(*root));
  }

 private:
  Error failure() const {
    if (!refusal_.cause.empty()) return Error("protocol error: " + refusal_.cause);
    std::string cause = printable(reader_->errstr, kCauseBytesMax);
    constexpr std::string_view kPrefix = "Protocol error, ";
    if (cause.rfind(kPrefix, 0) == 0) cause.erase(0, kPrefix.size());
    return Error("protocol error: " + cause);
  }

  redisReplyObjectFunctions functions_;
  Refusal refusal_;
  redisReader* reader_;
  std::size_t unread_bytes_ = 0;  // fed since the end of the last complete reply
};

RedisReplyReader::RedisReplyReader() : impl_(std::make_unique<Impl>()) {}
RedisReplyReader::~RedisReplyReader() = default;
Status RedisReplyReader::feed(std::string_view bytes) {
  return impl_->feed(bytes);
}
Result<std::optional<RedisValue>> RedisReplyReader::next() {
  return impl_->next();
}

}  // namespace stargazer
