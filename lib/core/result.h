// Errors are values: Result<T> is a value or an Error, Status is a success or an Error.
//
// Nothing in this project throws on purpose. A function that can fail says so in its type, [[nodiscard]] makes the
// caller look, and the message reads "context: cause" from the outside in, so that one line tells an operator the
// whole story: "redis 127.0.0.1:6379: connect: Connection refused".
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace stargazer {

// What went wrong, in one line for a person.
class Error {
 public:
  explicit Error(std::string message) : message_(std::move(message)) {}

  const std::string& message() const { return message_; }

  // The same failure seen from one level further out: "context: message".
  [[nodiscard]] Error in(std::string_view context) const { return Error(std::string(context) + ": " + message_); }

 private:
  std::string message_;
};

// A T, or the Error that kept it from being made. Converts from both, so that `return value;` and
// `return Error("…");` both read naturally.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

// Success, or the Error that prevented it.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  // REQUIRES: !ok().
  const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_{""};
  bool ok_ = true;
};

}  // namespace stargazer
