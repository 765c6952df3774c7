#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

/// Lenient reading of settings that were written by shells, Python and us; for baseline*.cpp alone.
namespace kvtier::baseline_fields {

inline constexpr std::string_view kFilterEnv = "DYN_KVBM_DISABLE_DISK_OFFLOAD_FILTER";
inline constexpr std::array<std::string_view, 4> kSizeEnv{
    "DYN_KVBM_CPU_CACHE_GB", "DYN_KVBM_DISK_CACHE_GB",
    // How our reference stack is sized; absent elsewhere.
    "DYN_KVBM_CPU_CACHE_OVERRIDE_NUM_BLOCKS", "DYN_KVBM_DISK_CACHE_OVERRIDE_NUM_BLOCKS"};

/// `from`[key], null when `from` is no object or lacks it. "a.b" goes two levels down, unless the
/// key with its dot is there (settings have dots in their names).
nlohmann::json Get(const nlohmann::json& from, const std::string& key);
/// Throws the DataError "the key K is V, expected W".
[[noreturn]] void Refuse(const std::string& key, const nlohmann::json& value, const char* wanted);
/// The whole text as a finite number.
std::optional<double> ParseDouble(std::string_view text);
/// A text or null; anything else is refused.
nlohmann::json AsText(const std::string& key, const nlohmann::json& value);
/// Null is `absent`; texts and numbers by ParseLooseBool.
nlohmann::json AsBool(const nlohmann::json& value, bool absent);

}  // namespace kvtier::baseline_fields
