#include "harness/stats/summary.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <boost/math/distributions/students_t.hpp>
#include <nlohmann/json.hpp>

namespace kvtier {

std::optional<Summary> Summarize(std::vector<double> sample) {
  if (sample.empty()) return std::nullopt;
  std::sort(sample.begin(), sample.end());
  Summary s;
  s.n = sample.size();
  s.min = sample.front();
  s.max = sample.back();
  s.p50 = SortedQuantile(sample, 0.50);
  s.p90 = SortedQuantile(sample, 0.90);
  s.p95 = SortedQuantile(sample, 0.95);
  s.p99 = SortedQuantile(sample, 0.99);
  s.mean = std::accumulate(sample.begin(), sample.end(), 0.0) / static_cast<double>(s.n);
  return s;
}

void to_json(nlohmann::json& j, const Summary& s) {
  j = {{"n", s.n},     {"min", s.min}, {"p50", s.p50}, {"p90", s.p90},
       {"p95", s.p95}, {"p99", s.p99}, {"max", s.max}, {"mean", s.mean}};
}

void from_json(const nlohmann::json& j, Summary& s) {
  s.n = j.at("n").get<std::size_t>();
  s.min = j.at("min").get<double>();
  s.p50 = j.at("p50").get<double>();
  s.p90 = j.at("p90").get<double>();
  s.p95 = j.at("p95").get<double>();
  s.p99 = j.at("p99").get<double>();
  s.max = j.at("max").get<double>();
  s.mean = j.at("mean").get<double>();
}

std::optional<MeanEstimate> EstimateMean(std::span<const double> sample, double level) {
  if (sample.empty()) return std::nullopt;
  MeanEstimate e;
  e.n = sample.size();
  e.level = level;
  e.min = *std::min_element(sample.begin(), sample.end());
  e.max = *std::max_element(sample.begin(), sample.end());
  const auto n = static_cast<double>(e.n);
  e.mean = std::accumulate(sample.begin(), sample.end(), 0.0) / n;
  if (e.n < 2) return e;
  double squares = 0;
  for (const double x : sample) squares += (x - e.mean) * (x - e.mean);
  e.sd = std::sqrt(squares / (n - 1));
  const double half = StudentQuantile(0.5 + level / 2, n - 1) * *e.sd / std::sqrt(n);
  e.interval = Interval{e.mean - half, e.mean + half};
  return e;
}

double StudentQuantile(double p, double df) {
  return boost::math::quantile(boost::math::students_t_distribution<double>(df), p);
}

double StudentTwoSidedP(double t, double df) {
  if (std::isinf(t)) return 0;
  return 2 * boost::math::cdf(boost::math::complement(
                 boost::math::students_t_distribution<double>(df), std::abs(t)));
}

}  // namespace kvtier
