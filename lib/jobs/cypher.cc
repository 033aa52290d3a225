#include "jobs/cypher.h"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>

namespace stargazer::jobs {
namespace {

// In single quotes; a backslash takes away what a quote or a backslash would mean. A NUL would end the query.
std::string literal(const std::string& text) {
  std::string quoted = "'";
  for (const char character : text) {
    if (character == '\'' || character == '\\') quoted += '\\';
    if (character != '\0') quoted += character;
  }
  return quoted + "'";
}

// Always with a point or an exponent: without, the server would take it for an integer.
std::string literal(double number) {
  assert(std::isfinite(number));
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), number).ptr;
  std::string text(digits.data(), static_cast<std::size_t>(end - digits.data()));
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  if (const std::size_t plus = text.find('+'); plus != std::string::npos) text.erase(plus, 1);  // Cypher knows only "-"
  return text;
}

std::string literal(std::int64_t number) {
  return std::to_string(number);
}

template <typename T>
std::string list_literal(const std::vector<T>& values) {
  std::string text = "[";
  for (const T& value : values) {
    if (text.size() > 1) text += ',';
    text += literal(value);
  }
  return text + "]";
}

}  // namespace

Cypher& Cypher::add(std::string_view name, const std::string& literal) {
  parameters_.append(name).append("=").append(literal).append(" ");
  return *this;
}

Cypher& Cypher::with(std::string_view name, std::int64_t value) {
  return add(name, literal(value));
}

Cypher& Cypher::with(std::string_view name, double value) {
  return add(name, literal(value));
}

Cypher& Cypher::with(std::string_view name, const std::string& value) {
  return add(name, literal(value));
}

Cypher& Cypher::with(std::string_view name, const std::vector<std::int64_t>& values) {
  return add(name, list_literal(values));
}

Cypher& Cypher::with(std::string_view name, const std::vector<std::string>& values) {
  return add(name, list_literal(values));
}

std::string Cypher::query() const {
  return parameters_.empty() ? text_ : "CYPHER " + parameters_ + text_;
}

}  // namespace stargazer::jobs
