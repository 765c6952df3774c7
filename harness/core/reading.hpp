#pragma once
#include <string>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {

/// A measurement: a value, or unavailable with a reason. Unavailable is never zero, and a gate that
/// cannot see fails closed. In JSON: the bare value, or {"unavailable": "<reason>"}.
template <class T>
class Reading {
 public:
  /// A default reading is unavailable: forgetting to measure must not look like measuring nothing.
  Reading() : state_(Missing{"not collected"}) {}
  Reading(T value)
      : state_(std::move(value)) {}  // NOLINT(google-explicit-constructor): a value *is* a reading
  static Reading Unavailable(std::string reason) {
    Reading r;
    r.state_ = Missing{std::move(reason)};
    return r;
  }

  bool available() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return available(); }
  /// Throws DataError with the reason when unavailable.
  const T& value() const {
    if (!available()) throw DataError("a reading was used that is unavailable: " + reason());
    return std::get<T>(state_);
  }
  const T& operator*() const { return value(); }
  const T* operator->() const { return &value(); }
  /// Empty when available.
  std::string reason() const {
    return available() ? std::string() : std::get<Missing>(state_).reason;
  }
  /// Applies `f` to the value; the reason travels on.
  template <class F>
  auto Map(F&& f) const -> Reading<decltype(f(std::declval<const T&>()))> {
    using R = Reading<decltype(f(std::declval<const T&>()))>;
    return available() ? R(f(value())) : R::Unavailable(reason());
  }
  bool operator==(const Reading& other) const {
    return available() == other.available() &&
           (available() ? value() == other.value() : reason() == other.reason());
  }

 private:
  struct Missing {
    std::string reason;
  };
  std::variant<Missing, T> state_;
};

template <class T>
void to_json(nlohmann::json& j, const Reading<T>& r) {
  if (r.available()) {
    j = r.value();
  } else {
    j = nlohmann::json{{"unavailable", r.reason()}};
  }
}

template <class T>
void from_json(const nlohmann::json& j, Reading<T>& r) {
  if (j.is_object() && j.size() == 1 && j.contains("unavailable")) {
    r = Reading<T>::Unavailable(j.at("unavailable").get<std::string>());
  } else if (j.is_null()) {
    r = Reading<T>::Unavailable("null in the artifact");
  } else {
    r = j.get<T>();
  }
}

}  // namespace kvtier
