#include "harness/stats/power.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>

#include "harness/core/error.hpp"
#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

namespace bm = boost::math;

double Phi(double z) {
  return bm::cdf(bm::normal_distribution<double>(), z);
}

void RequireSpread(double sd, std::size_t n) {
  if (n < 2 || !(sd > 0) || !std::isfinite(sd))
    throw DataError("power needs a spread above zero and at least two pairs");
}

/// By doubling, then bisection: power never falls with n.
std::optional<std::size_t> LeastPairs(const std::function<double(std::size_t)>& power_at,
                                      double power, std::size_t most) {
  std::size_t low = 1;  // not enough
  std::size_t high = 2;
  while (power_at(high) < power) {
    if (high >= most) return std::nullopt;
    low = high;
    high = std::min(high * 2, most);
  }
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (power_at(middle) < power ? low : high) = middle;
  }
  return high;
}

}  // namespace

double PctToLogRatio(double pct) {
  return std::log1p(pct / 100);
}

double PairedTPower(double effect, double sd, std::size_t n, double alpha) {
  RequireSpread(sd, n);
  const auto pairs = static_cast<double>(n);
  const double critical = StudentQuantile(1 - alpha / 2, pairs - 1);
  const double shift = std::abs(effect) / sd * std::sqrt(pairs);
  if (shift < 1e-9) return alpha;
  // From here on every sample rejects; the series of the distribution does not reach this far.
  if (shift > 30 + 10 * critical) return 1;
  const bm::non_central_t_distribution<double> t(pairs - 1, shift);
  return bm::cdf(bm::complement(t, critical)) + bm::cdf(t, -critical);
}

double EquivalencePower(double margin, double sd, std::size_t n, double alpha, double truth) {
  RequireSpread(sd, n);
  if (!(margin > 0)) return 0;
  const auto pairs = static_cast<double>(n);
  const double df = pairs - 1;
  const double critical = StudentQuantile(1 - alpha, df);
  const double root = std::sqrt(pairs) / sd;
  // u is the sample's deviation over the true one; beyond u_most no interval fits into the margin.
  const double u_most = margin * root / critical;
  const bm::chi_squared_distribution<double> chi(df);
  const auto integrand = [&](double u) {
    if (u <= 0) return 0.0;
    const double inside =
        Phi((margin - truth) * root - critical * u) - Phi((-margin - truth) * root + critical * u);
    return std::max(0.0, inside) * bm::pdf(chi, df * u * u) * 2 * df * u;
  };
  // 12 deviations of u around 1 hold all of the mass that a double can see.
  const double top = std::min(u_most, 1 + 12 / std::sqrt(2 * df) + 4 / df);
  return std::clamp(
      bm::quadrature::gauss_kronrod<double, 31>::integrate(integrand, 0.0, top, 12, 1e-10), 0.0,
      1.0);
}

double AllOneSignPower(double effect, double sd, std::size_t n) {
  RequireSpread(sd, n);
  const double z = std::abs(effect) / sd;
  return std::pow(Phi(z), static_cast<double>(n));
}

std::optional<std::size_t> PairsForEffect(double effect, double sd, double alpha, double power,
                                          std::size_t most) {
  RequireSpread(sd, 2);
  if (effect == 0) return std::nullopt;
  return LeastPairs([&](std::size_t n) { return PairedTPower(effect, sd, n, alpha); }, power, most);
}

std::optional<std::size_t> PairsForEquivalence(double margin, double sd, double alpha, double power,
                                               std::size_t most) {
  RequireSpread(sd, 2);
  if (!(margin > 0)) return std::nullopt;
  return LeastPairs([&](std::size_t n) { return EquivalencePower(margin, sd, n, alpha); }, power,
                    most);
}

std::size_t SignFlipFloor(double alpha) {
  if (!(alpha > 0)) throw DataError("alpha must be above zero");
  std::size_t n = 1;
  while (std::ldexp(2.0, -static_cast<int>(n)) > alpha) ++n;
  return n;
}

Interval SdInterval(double sd, std::size_t n, double level) {
  if (n < 2) throw DataError("the interval of a spread needs at least two values");
  const double df = static_cast<double>(n) - 1;
  const bm::chi_squared_distribution<double> chi(df);
  const double tail = (1 - level) / 2;
  return {sd * std::sqrt(df / bm::quantile(bm::complement(chi, tail))),
          sd * std::sqrt(df / bm::quantile(chi, tail))};
}

}  // namespace kvtier
