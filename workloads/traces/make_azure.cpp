// The statistics of the Azure LLM inference traces of 2023 (CC-BY-4.0; Splitwise, ISCA '24): the
// code trace comes in bursts, the conversation trace as a Poisson process of slowly changing rate.
// Both tell lengths only, so no block is shared.
#include <algorithm>
#include <cmath>
#include <functional>

#include "workloads/traces/draws.hpp"
#include "workloads/traces/trace_recipe.hpp"
#include "workloads/traces/trace_shape.hpp"

namespace kvtier {
namespace {

constexpr std::size_t kCodeRequests = 8'819, kConvRequests = 19'366;
constexpr QuantileTable kCodeInput{
    {3, 17, 75, 147, 578, 1469, 2744.5, 5187.6, 7303.3, 7436, 7437, 7437}};
constexpr QuantileTable kCodeOutput{{6, 6, 6, 7, 9, 13, 24, 55, 90, 251.46, 825.27, 1899}};
constexpr QuantileTable kConvInput{
    {2, 29, 181, 207, 396, 1020, 1189, 2734.5, 4083, 4142, 6179.15, 14'050}};
constexpr QuantileTable kConvOutput{{7, 16, 41, 54, 85, 129, 395, 424, 451, 601, 954, 1000}};
// Gaps within a burst and between bursts, fitted to mean 0.3896 s, coefficient of variation 13.15
// and dispersion at 1 s 13.2.
constexpr double kBurstGapS = 0.07, kPauseS = 41, kPauseShare = 0.0078;
// Rate of a minute: lognormal about the mean, so that the index of dispersion at 60 s is
// 1 + rate x 60 x (e^(sigma^2) - 1) = 20.6.
constexpr double kConvRate = 5.53, kRateSigma = 0.239, kMinuteMs = 60'000;

/// `next_ms` gives the time of a request from that of the one before.
std::vector<TraceRequest> Unshared(const TraceRecipe& recipe, std::size_t n,
                                   const QuantileTable& input, const QuantileTable& output,
                                   const std::function<double(double)>& next_ms) {
  Rng lengths = Rng::Stream(recipe.seed, recipe.kind + "/lengths");
  std::vector<TraceRequest> out;
  std::uint64_t id = 0;
  for (double now = 0; out.size() < n; now = next_ms(now)) {
    TraceRequest& r = out.emplace_back();
    r.timestamp_ms = std::round(now * 1000) / 1000;  // microseconds
    r.input_length = std::llround(input.Draw(lengths));
    r.output_length = std::llround(output.Draw(lengths));
    r.block_tokens = recipe.block_tokens;
    for (std::int64_t t = 0; t < r.input_length; t += recipe.block_tokens)
      r.hash_ids.push_back(id++);
  }
  return out;
}

MadeTrace Judged(std::vector<TraceRequest> requests, double rate, const QuantileTable& input,
                 const QuantileTable& output, double input_mean, double output_mean) {
  MadeTrace made;
  made.requests = std::move(requests);
  made.parameters = {{"requests", made.requests.size()}};
  const TraceStatistics s = DescribeTrace(made.requests);
  const auto n = static_cast<double>(s.requests);
  made.quality = {{"requests_per_s", rate, s.duration_s > 0 ? (n - 1) / s.duration_s : 0, 0.20},
                  {"input_length_p50", input.values[5], s.input.p50, 0.08},
                  {"input_length_p90", input.values[7], s.input.p90, 0.08},
                  {"input_length_mean", input_mean, s.input.mean, 0.08},
                  {"output_length_p50", output.values[5], s.output.p50, 0.10},
                  {"output_length_p90", output.values[7], s.output.p90, 0.10},
                  {"output_length_mean", output_mean, s.output.mean, 0.12}};
  return made;
}

}  // namespace

MadeTrace MakeAzureCode(const TraceRecipe& recipe) {
  Rng arrivals = Rng::Stream(recipe.seed, "azure_code/arrivals");
  MadeTrace made =
      Judged(Unshared(recipe, recipe.requests == 0 ? kCodeRequests : recipe.requests, kCodeInput,
                      kCodeOutput,
                      [&](double now) {
                        const bool pause = arrivals.Uniform() < kPauseShare;
                        return now + 1000 * Exponential(arrivals, pause ? kPauseS : kBurstGapS);
                      }),
             2.57, kCodeInput, kCodeOutput, 2047.8, 27.9);
  const TraceShape shape = ShapeOf(made.requests);
  made.quality.push_back({"arrival_cv", 13.2, shape.arrival_cv, 0.30});
  made.quality.push_back({"dispersion_1s", 13.2, shape.dispersion_1s, 0.30});
  return made;
}

MadeTrace MakeAzureConv(const TraceRecipe& recipe) {
  Rng arrivals = Rng::Stream(recipe.seed, "azure_conv/arrivals");
  Rng rates = Rng::Stream(recipe.seed, "azure_conv/rates");
  double minute_end = 0, rate = kConvRate;
  const auto next = [&](double now) {
    // What is left of an exponential gap at the end of a minute goes on at the next one's rate.
    for (double work = Exponential(arrivals, 1);;) {
      if (now >= minute_end) {
        minute_end += kMinuteMs;
        rate = kConvRate * LogNormal(rates, -kRateSigma * kRateSigma / 2, kRateSigma);
      }
      const double until_end = (minute_end - now) / 1000 * rate;
      if (work <= until_end) return now + 1000 * work / rate;
      work -= until_end;
      now = minute_end;
    }
  };
  MadeTrace made = Judged(Unshared(recipe, recipe.requests == 0 ? kConvRequests : recipe.requests,
                                   kConvInput, kConvOutput, next),
                          kConvRate, kConvInput, kConvOutput, 1154.7, 211.1);
  const TraceShape shape = ShapeOf(made.requests);
  made.quality.push_back({"arrival_cv", 1.09, shape.arrival_cv, 0.10});
  made.quality.push_back({"dispersion_1s", 1.4, shape.dispersion_1s, 0.15});
  made.quality.push_back({"dispersion_60s", 20.6, shape.dispersion_60s, 0.45});
  return made;
}

}  // namespace kvtier
