#pragma once
#include <cmath>
#include <concepts>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"

/// One table of names for both directions: `SomethingFields(value, visit)` calls visit(key, member)
/// for each member, visit.Later(key, member) for those that came after the first release. For the
/// *_json.cpp of this folder alone.
namespace kvtier {

/// What a key that came later reads as in a bundle of before.
inline constexpr const char* kOlderBundle = "not recorded by the version that wrote this bundle";

template <class T>
void SetOlder(Reading<T>& r) {
  r = Reading<T>::Unavailable(kOlderBundle);
}
inline void SetOlder(std::string& text) {
  text.clear();
}

/// Writes members as keys.
class PutFields {
 public:
  explicit PutFields(nlohmann::json& j) : j_(j) { j_ = nlohmann::json::object(); }
  template <class T>
  void operator()(const char* key, const T& value) const {
    j_[key] = value;
  }
  /// JSON has no number for NaN and infinity; who says so has said nothing.
  void operator()(const char* key, const Reading<double>& value) const {
    j_[key] = value.available() && !std::isfinite(*value)
                  ? Reading<double>::Unavailable("the figure is not a finite number")
                  : value;
  }
  void operator()(const char* key, const std::map<std::string, double>& values) const {
    nlohmann::json& out = j_[key] = nlohmann::json::object();
    for (const auto& [name, value] : values) {
      if (std::isfinite(value)) out[name] = value;
    }
  }
  template <class T>
  void Later(const char* key, const T& value) const {
    (*this)(key, value);
  }

 private:
  nlohmann::json& j_;
};

/// Reads keys into members; a missing or mistyped one throws, its key in the text.
class TakeFields {
 public:
  explicit TakeFields(const nlohmann::json& j) : j_(j) {}
  template <class T>
  void operator()(const char* key, T& value) const {
    const nlohmann::json& found = j_.at(key);
    if constexpr (kIsCount<T>) {
      // The library would turn -1 into 2^64 - 1 and 1.5 into 1.
      const bool count = found.is_number_unsigned() ||
                         (found.is_number_integer() && found.get<std::int64_t>() >= 0);
      if (found.is_number() && !count)
        throw DataError(fmt::format("key {} is {}, expected a count", key, found.dump()));
    }
    try {
      found.get_to(value);
    } catch (const nlohmann::json::type_error& e) {
      throw DataError(fmt::format("key {} has the wrong type: {}", key, e.what()));
    }
  }
  /// Absent reads as "not recorded", present as strictly as any other.
  template <class T>
  void Later(const char* key, T& value) const {
    if (j_.contains(key)) {
      (*this)(key, value);
    } else {
      SetOlder(value);
    }
  }

 private:
  template <class T>
  static constexpr bool kIsCount =
      std::same_as<T, std::uint64_t> || std::same_as<T, Bytes> ||
      std::same_as<T, Reading<std::uint64_t>> || std::same_as<T, Reading<Bytes>>;
  const nlohmann::json& j_;
};

}  // namespace kvtier
