#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/baseline.hpp"
#include "harness/judge/knee_report.hpp"
#include "harness/report/sweep_reader.hpp"

namespace {

using kvtier::Ruleset;
using nlohmann::json;

// A summary may come from another machine and another program: whatever it holds, reading it ends
// in tables or in a typed error, never in another exception.
template <class F>
void Read(F&& read) {
  try {
    read();
  } catch (const kvtier::DataError&) {
  }
}

void Tables(const json& j, Ruleset ruleset) {
  kvtier::Sweep sweep = kvtier::SweepFrom(j);
  for (kvtier::SweepRow& row : sweep.rows) {
    if (j.contains("run")) row.run = kvtier::SweepRunFrom(j["run"]);
  }
  kvtier::KneeTableCsv(kvtier::KneeTable(sweep, ruleset));
  const auto joined = kvtier::JoinSweeps({sweep, sweep});
  const auto knees = kvtier::FindKnees(joined);
  kvtier::KneeText(knees);
  kvtier::KneeJson(knees, kvtier::KneeTable(joined, ruleset), {});
  const auto r = kvtier::Recommend(joined, {.slo_p95_ms = {}, .ruleset = ruleset});
  const kvtier::RecommendContext context;
  kvtier::RecommendationJson(r, context);
  kvtier::RecommendationMarkdown(r, context);
}

void Hash(const json& j, Ruleset ruleset) {
  kvtier::BaselineSources sources;
  sources.config = j;
  sources.context = sources.analysis_manifest = sources.runtime_env = j;
  kvtier::MakeBaseline(sources, ruleset);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const json j = json::parse(text, nullptr, false);
  if (j.is_discarded()) return 0;
  for (const Ruleset ruleset : {Ruleset::kKvtier, Ruleset::kRunbook}) {
    Read([&] { Tables(j, ruleset); });
    Read([&] { Hash(j, ruleset); });
    kvtier::SemanticHash(j, ruleset);
    Read([&] { kvtier::DecideBaseline(j.get<kvtier::Baseline>(), {}, true, false, ruleset); });
  }
  return 0;
}
