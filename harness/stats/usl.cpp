#include "harness/stats/usl.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "harness/stats/summary.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kLambda = 0, kSigma = 1, kKappa = 2;
using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;
/// Which parameters move; the others are 0.
using Free = std::array<bool, 3>;

double Denominator(const Vector& p, double n) {
  return 1 + p[kSigma] * (n - 1) + p[kKappa] * n * (n - 1);
}

double Model(const Vector& p, double n) {
  return p[kLambda] * n / Denominator(p, n);
}

/// Squares of the residuals; infinite where the model has a pole between the points.
double Squares(std::span<const LoadPoint> points, const Vector& p) {
  double sum = 0;
  for (const LoadPoint& point : points) {
    if (Denominator(p, point.concurrency) <= 0) return std::numeric_limits<double>::infinity();
    const double r = point.throughput - Model(p, point.concurrency);
    sum += r * r;
  }
  return sum;
}

/// J'J and J'r at `p`; the rows of a parameter that does not move are those of the identity.
struct Normal {
  Matrix a{};
  Vector g{};
};

Normal MakeNormal(std::span<const LoadPoint> points, const Vector& p, const Free& free) {
  Normal normal;
  for (const LoadPoint& point : points) {
    const double n = point.concurrency;
    const double h = n / Denominator(p, n);
    const double slope = -p[kLambda] * h / Denominator(p, n);
    const Vector j{h, slope * (n - 1), slope * n * (n - 1)};
    const double r = point.throughput - p[kLambda] * h;
    for (std::size_t i = 0; i < 3; ++i) {
      if (!free[i]) continue;
      normal.g[i] += j[i] * r;
      for (std::size_t k = 0; k < 3; ++k) normal.a[i][k] += free[k] ? j[i] * j[k] : 0.0;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (!free[i]) normal.a[i][i] = 1;
  }
  return normal;
}

/// Inverse of a symmetric positive matrix, by way of its scaling to a unit diagonal. Empty when a
/// Cholesky pivot of the scaled matrix, the share of a column that the others do not explain, is
/// below `least`.
std::optional<Matrix> Invert(const Matrix& a, double least) {
  Vector scale{};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!(a[i][i] > 0)) return std::nullopt;
    scale[i] = 1 / std::sqrt(a[i][i]);
  }
  Matrix l{};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k <= i; ++k) {
      double sum = a[i][k] * scale[i] * scale[k];
      for (std::size_t m = 0; m < k; ++m) sum -= l[i][m] * l[k][m];
      if (i == k && !(sum > least)) return std::nullopt;
      l[i][k] = i == k ? std::sqrt(sum) : sum / l[k][k];
    }
  }
  Matrix inverse{};
  for (std::size_t column = 0; column < 3; ++column) {
    Vector x{};
    x[column] = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t m = 0; m < i; ++m) x[i] -= l[i][m] * x[m];
      x[i] /= l[i][i];
    }
    for (std::size_t i = 3; i-- > 0;) {
      for (std::size_t m = i + 1; m < 3; ++m) x[i] -= l[m][i] * x[m];
      x[i] /= l[i][i];
    }
    for (std::size_t i = 0; i < 3; ++i) inverse[i][column] = x[i] * scale[i] * scale[column];
  }
  return inverse;
}

Vector Times(const Matrix& m, const Vector& v) {
  Vector result{};
  for (std::size_t i = 0; i < 3; ++i)
    result[i] = std::inner_product(v.begin(), v.end(), m[i].begin(), 0.0);
  return result;
}

/// Gunther's linear form N/X = 1/lambda + (sigma/lambda) (N-1) + (kappa/lambda) N (N-1), or a
/// plain guess where noise bends that to nonsense.
Vector Start(std::span<const LoadPoint> points, const Free& free) {
  Normal normal;
  double best = 0;
  for (const LoadPoint& point : points) {
    const double n = point.concurrency;
    const Vector row{1, free[kSigma] ? n - 1 : 0, free[kKappa] ? n * (n - 1) : 0};
    for (std::size_t i = 0; i < 3; ++i) {
      normal.g[i] += row[i] * n / point.throughput;
      for (std::size_t k = 0; k < 3; ++k) normal.a[i][k] += row[i] * row[k];
    }
    best = std::max(best, point.throughput / n);
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (!free[i]) normal.a[i][i] = 1;
  }
  if (const auto inverse = Invert(normal.a, 1e-14)) {
    const Vector line = Times(*inverse, normal.g);
    const Vector start{1 / line[0], line[1] / line[0], line[2] / line[0]};
    if (line[0] > 0 && std::isfinite(Squares(points, start))) return start;
  }
  return {best, free[kSigma] ? 0.1 : 0, free[kKappa] ? 1e-3 : 0};
}

struct Solution {
  Vector p{};
  Free free{};
  double squares = 0;
  bool converged = false;
};

/// Levenberg-Marquardt with Marquardt's scaling.
Solution Minimise(std::span<const LoadPoint> points, const Free& free) {
  constexpr int kSteps = 1000;
  constexpr double kAtRest = 1e-12;    // of the model's values, by one step
  constexpr double kRounding = 1e-13;  // share of the squares that is no way uphill
  double total = 0;
  for (const LoadPoint& point : points) total += point.throughput * point.throughput;
  Solution s{Start(points, free), free};
  s.squares = Squares(points, s.p);
  double damping = 1e-3;
  for (int step = 0; step < kSteps && damping < 1e16; ++step) {
    const Normal normal = MakeNormal(points, s.p, free);
    Matrix damped = normal.a;
    for (std::size_t i = 0; i < 3; ++i) damped[i][i] *= 1 + damping;
    const auto inverse = Invert(damped, 0);
    if (!inverse) return s;
    const Vector move = Times(*inverse, normal.g);
    double shift = 0;
    Vector next = s.p;
    for (std::size_t i = 0; i < 3; ++i) {
      next[i] += move[i];
      shift += move[i] * move[i] * normal.a[i][i];
    }
    // Only an almost undamped step shows that the bottom is reached.
    s.converged = shift <= kAtRest * kAtRest * total && damping <= 1e-2;
    const double squares = Squares(points, next);
    const bool downhill = squares <= s.squares * (1 + kRounding);
    if (downhill) {
      s.p = next;
      s.squares = squares;
    }
    if (s.converged) return s;
    damping = downhill ? std::max(damping / 10, 1e-12) : damping * 10;
  }
  return s;
}

/// The minimum under the bounds lies inside, or with sigma, kappa or both at 0: the best of these
/// four that keeps the bounds. Empty when one that keeps them does not converge.
std::optional<Solution> MinimiseWithinBounds(std::span<const LoadPoint> points) {
  std::optional<Solution> best;
  for (const Free& free : {Free{true, true, true}, Free{true, true, false}, Free{true, false, true},
                           Free{true, false, false}}) {
    const Solution s = Minimise(points, free);
    if (s.p[kLambda] <= 0 || s.p[kSigma] < 0 || s.p[kKappa] < 0) continue;
    if (!s.converged) return std::nullopt;
    if (!best || s.squares < best->squares) best = s;
    if (free[kSigma] && free[kKappa]) break;  // inside: none at a bound is better
  }
  return best;
}

/// Scale-free reading of "kappa is 0": it takes less than this share of the largest denominator.
constexpr double kNoShare = 1e-9;

/// Farthest extrapolation, in largest tested concurrencies. Measured, docs/knee.md: of curves
/// without any turn, 19 % are given one, all of them beyond.
constexpr double kFarthestPeak = 2;

Reading<UslPeak> FindPeak(const UslFit& fit, const Matrix& covariance, double t, double largest) {
  using Missing = Reading<UslPeak>;
  const double sigma = fit.sigma.value;
  const double kappa = fit.kappa.value;
  const Vector p{fit.lambda.value, sigma, kappa};
  if (!fit.kappa.interval || kappa * largest * (largest - 1) <= kNoShare * Denominator(p, largest))
    return Missing::Unavailable("no peak: kappa is 0, throughput does not turn");
  if (fit.kappa.interval->low <= 0)
    return Missing::Unavailable(
        "no peak: the interval of kappa reaches 0; test higher concurrencies or repeat the runs");
  if (1 - sigma <= kappa)
    return Missing::Unavailable("no peak: by the model throughput falls from concurrency 1 on");
  UslPeak peak;
  peak.concurrency = std::sqrt((1 - sigma) / kappa);
  if (peak.concurrency > kFarthestPeak * largest)
    return Missing::Unavailable(fmt::format(
        "no peak: by the model it lies at {:.3g}, the largest tested concurrency is {:g}",
        peak.concurrency, largest));
  peak.throughput = fit.Throughput(peak.concurrency);
  peak.beyond_tested = peak.concurrency > largest;
  const double by_sigma = -0.5 / (1 - sigma);  // derivatives of log N*
  const double by_kappa = -0.5 / kappa;
  const double variance = by_sigma * by_sigma * covariance[kSigma][kSigma] +
                          2 * by_sigma * by_kappa * covariance[kSigma][kKappa] +
                          by_kappa * by_kappa * covariance[kKappa][kKappa];
  const double factor = std::exp(t * std::sqrt(std::max(0.0, variance)));
  peak.interval = {peak.concurrency / factor, peak.concurrency * factor};
  return peak;
}

/// Why the points cannot be fitted; empty when they can.
std::string Problem(std::span<const LoadPoint> points) {
  std::vector<double> distinct;
  for (const LoadPoint& point : points) {
    if (!std::isfinite(point.concurrency) || point.concurrency <= 0)
      return fmt::format("concurrency {:g} is not above 0", point.concurrency);
    if (!std::isfinite(point.throughput) || point.throughput <= 0)
      return fmt::format("the throughput at concurrency {:g} is not above 0", point.concurrency);
    distinct.push_back(point.concurrency);
  }
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  if (distinct.size() < kMinUslConcurrencies)
    return fmt::format("{} distinct concurrencies, three parameters need at least {}",
                       distinct.size(), kMinUslConcurrencies);
  return {};
}

/// The points in a fixed order, throughput in units of the largest: neither the listing nor the
/// unit moves a digit.
std::vector<LoadPoint> OrderAndScale(std::span<const LoadPoint> points, double unit) {
  std::vector<LoadPoint> scaled(points.begin(), points.end());
  std::sort(scaled.begin(), scaled.end(), [](const LoadPoint& a, const LoadPoint& b) {
    return a.concurrency != b.concurrency ? a.concurrency < b.concurrency
                                          : a.throughput < b.throughput;
  });
  for (LoadPoint& point : scaled) point.throughput /= unit;
  return scaled;
}

/// Squares about the mean.
double TotalSquares(std::span<const LoadPoint> points) {
  double mean = 0;
  for (const LoadPoint& point : points)
    mean += point.throughput / static_cast<double>(points.size());
  double total = 0;
  for (const LoadPoint& point : points)
    total += (point.throughput - mean) * (point.throughput - mean);
  return total;
}

/// The fit with its intervals, throughput back in the points' own unit.
UslFit Describe(std::span<const LoadPoint> scaled, double unit, const Solution& solution,
                const Matrix& curvature, double level) {
  const auto moving = std::count(solution.free.begin(), solution.free.end(), true);
  const double df = static_cast<double>(scaled.size()) - static_cast<double>(moving);
  const double t = StudentQuantile(0.5 + level / 2, df);
  Matrix covariance{};  // nothing is known of, and nothing comes from, a parameter at its bound
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      if (solution.free[i] && solution.free[k])
        covariance[i][k] = curvature[i][k] * solution.squares / df;
    }
  }
  const auto parameter = [&](std::size_t i, double factor) {
    UslParameter result;
    result.value = solution.p[i] * factor;
    const double half = t * std::sqrt(covariance[i][i]) * factor;
    if (solution.free[i]) result.interval = Interval{result.value - half, result.value + half};
    return result;
  };
  UslFit fit;
  fit.points = scaled.size();
  fit.level = level;
  fit.lambda = parameter(kLambda, unit);
  fit.sigma = parameter(kSigma, 1);
  fit.kappa = parameter(kKappa, 1);
  fit.r_squared = 1 - solution.squares / TotalSquares(scaled);
  fit.peak = FindPeak(fit, covariance, t, scaled.back().concurrency);
  return fit;
}

}  // namespace

double UslFit::Throughput(double concurrency) const {
  return Model({lambda.value, sigma.value, kappa.value}, concurrency);
}

Reading<UslFit> FitUsl(std::span<const LoadPoint> points, double level) {
  using Missing = Reading<UslFit>;
  if (const std::string problem = Problem(points); !problem.empty())
    return Missing::Unavailable(problem);
  double unit = 0;
  for (const LoadPoint& point : points) unit = std::max(unit, point.throughput);
  const std::vector<LoadPoint> scaled = OrderAndScale(points, unit);
  if (TotalSquares(scaled) < 1e-20)
    return Missing::Unavailable(
        "the throughput is the same at every concurrency: something else limits it");
  const auto solution = MinimiseWithinBounds(scaled);
  if (!solution) return Missing::Unavailable("the least-squares fit does not converge");
  const auto curvature = Invert(MakeNormal(scaled, solution->p, solution->free).a, 1e-10);
  if (!curvature)
    return Missing::Unavailable(
        "not identified: the tested concurrencies do not tell lambda, sigma and kappa apart");
  const UslFit fit = Describe(scaled, unit, *solution, *curvature, level);
  if (fit.lambda.interval->low <= 0)
    return Missing::Unavailable(
        "not identified: the interval of lambda reaches 0; test lower concurrencies or repeat the "
        "runs");
  if (fit.sigma.interval && fit.sigma.interval->HalfWidth() >= 0.5)
    return Missing::Unavailable(
        "not identified: the interval of sigma is as wide as all contention there is, 0 to 1; test "
        "more concurrencies or repeat the runs");
  return fit;
}

}  // namespace kvtier
