#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace kvtier {

/// xoshiro256** seeded through splitmix64 (Blackman and Vigna 2018): identical on every machine and
/// compiler. The std:: distributions are not portable, so the few that are needed are members here.
class Rng {
 public:
  explicit Rng(std::uint64_t seed);
  /// An independent named stream of one run seed: changing what one stream draws never moves
  /// another.
  static Rng Stream(std::uint64_t run_seed, std::string_view name);

  std::uint64_t Next();
  /// Uniform in [0, n), unbiased (Lemire 2019 with rejection). n >= 1.
  std::uint64_t Below(std::uint64_t n);
  /// Uniform in [0, 1) with 53 bits.
  double Uniform();
  /// Standard normal, Marsaglia polar method on Uniform().
  double Normal();
  template <class T>
  const T& Pick(std::span<const T> from) {
    return from[Below(from.size())];
  }
  template <class Container>
  void Shuffle(Container& c) {
    for (std::size_t i = c.size(); i > 1; --i) std::swap(c[i - 1], c[Below(i)]);
  }

 private:
  std::array<std::uint64_t, 4> s_;
};

}  // namespace kvtier
