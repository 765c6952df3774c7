#pragma once
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/core/tier.hpp"
#include "harness/stats/paired.hpp"

/// Reading and writing artifact fields so that a missing or mistyped one is a DataError that names
/// its key.
namespace kvtier {

inline const nlohmann::json& At(const nlohmann::json& j, const char* key) {
  if (!j.is_object() || !j.contains(key))
    throw DataError(std::string("the artifact lacks the key \"") + key + "\"");
  return j[key];
}

template <class T>
T At(const nlohmann::json& j, const char* key) {
  try {
    return At(j, key).template get<T>();
  } catch (const nlohmann::json::exception& e) {
    throw DataError(std::string("the key \"") + key + "\" has the wrong type: " + e.what());
  }
}

/// Null and absent both read as empty: fields that came later are absent in older artifacts.
template <class T>
std::optional<T> OptionalAt(const nlohmann::json& j, const char* key) {
  if (!j.contains(key) || j[key].is_null()) return std::nullopt;
  return At<T>(j, key);
}

template <class T>
nlohmann::json OptionalJson(const std::optional<T>& v) {
  return v ? nlohmann::json(*v) : nlohmann::json();
}

inline TierMode TierAt(const nlohmann::json& j, const char* key) {
  const auto name = At<std::string>(j, key);
  const auto tier = FindTier(name);
  if (!tier)
    throw DataError(std::string("the key \"") + key + "\" holds \"" + name +
                    "\", which is no tier mode");
  return *tier;
}

/// {"estimate", "se", "df", "low", "high", "p"}: an estimate with Student's t interval.
inline nlohmann::json EstimateJson(const TEstimate& t) {
  return {{"estimate", t.estimate},  {"se", t.se}, {"df", t.df}, {"low", t.interval.low},
          {"high", t.interval.high}, {"p", t.p}};
}
inline TEstimate EstimateFrom(const nlohmann::json& j) {
  TEstimate t;
  t.estimate = At<double>(j, "estimate");
  t.se = At<double>(j, "se");
  t.df = At<double>(j, "df");
  t.interval = {At<double>(j, "low"), At<double>(j, "high")};
  t.p = At<double>(j, "p");
  return t;
}

/// Every artifact of this version states schema_version 1.
inline void RequireSchema(const nlohmann::json& j, const std::string& what) {
  const int version = At<int>(j, "schema_version");
  if (version != 1) {
    throw DataError(what + " has schema_version " + std::to_string(version) +
                    ", this version reads 1");
  }
}

}  // namespace kvtier
