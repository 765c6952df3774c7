#pragma once
#include <compare>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

namespace kvtier {

/// A byte count. In JSON a plain number under a key that ends in _bytes.
struct Bytes {
  std::uint64_t value = 0;
  auto operator<=>(const Bytes&) const = default;
  Bytes operator+(Bytes o) const { return {value + o.value}; }
  Bytes& operator+=(Bytes o) {
    value += o.value;
    return *this;
  }
};
inline void to_json(nlohmann::json& j, const Bytes& b) {
  j = b.value;
}
inline void from_json(const nlohmann::json& j, Bytes& b) {
  b.value = j.get<std::uint64_t>();
}

constexpr Bytes operator""_MiB(unsigned long long n) {
  return {n << 20};
}
constexpr Bytes operator""_KiB(unsigned long long n) {
  return {n << 10};
}

/// "5.31 MiB": 1024-based, unit spelled.
std::string FormatBytes(Bytes b);
/// "412 ms", "1.7 s", "3 min 20 s": for people, from seconds.
std::string FormatSeconds(double seconds);

}  // namespace kvtier
