// The analysis of a campaign holds the rows of one leg at a time.
#include <malloc.h>
#include <unistd.h>

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "harness/report/index/bundle_index.hpp"
#include "harness/report/legacy/legacy_export.hpp"
#include "harness/report/stored_experiment.hpp"

namespace kvtier {
namespace {

constexpr int kRows = 1000;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

Phase70Manifest WriteCampaign(const Phase70Paths& paths, int pairs) {
  Phase70Input input = test::MakeExperiment(pairs);
  for (Phase70Leg& leg : input.legs) {
    leg.evidence = sample::BigLeg(leg.evidence.tier,
                                  leg.evidence.tier == TierMode::kB1 ? 100 : 60 + leg.pair_id,
                                  kRows, leg.evidence.run_id);
  }
  return sample::WriteExperiment(paths, std::move(input));
}

/// Peak memory of a process of its own that does `work`, in KiB.
long PeakKib(const std::function<void()>& work) {
  int pipe[2];
  if (::pipe(pipe) != 0) return -1;
  ::malloc_trim(0);  // what this process freed would hide what the child takes
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const bool told = ::write(pipe[1], &usage.ru_maxrss, sizeof usage.ru_maxrss) > 0;
    ::_exit(told ? 0 : 1);
  }
  long peak = -1;
  if (::read(pipe[0], &peak, sizeof peak) != sizeof peak) peak = -1;
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  return peak;
}

TEST(AnalysisMemory, OnlyDigestsOfTheLegsAreKept) {
  const Phase70Paths paths{sample::Scratch("campaign_rows"), "20260101T000000Z"};
  const Phase70Manifest manifest = WriteCampaign(paths, 2);
  const auto kept = LoadPhase70Legs(paths, manifest);
  const auto released = LoadPhase70Legs(paths, manifest, LegRows::kRelease);
  ASSERT_EQ(released.size(), 4U);
  for (std::size_t i = 0; i < released.size(); ++i) {
    EXPECT_EQ(kept[i].evidence.records.size(), std::size_t{kRows});
    EXPECT_EQ(released[i].evidence.records.capacity(), 0U);
    ASSERT_NE(released[i].digest, nullptr);
    const LegAnswers& answers = released[i].digest->answers;
    EXPECT_EQ(answers.rows.size(), std::size_t{kRows} * 3 / 5) << "each distinct request once";
    const std::size_t bytes =
        answers.rows.capacity() * sizeof(LegAnswers::Row) + answers.prompt_ids.capacity();
    EXPECT_LE(bytes, answers.rows.size() * 128) << "bytes a distinct request";
    EXPECT_EQ(released[i].digest->figures.ok, kRows * 2 / 5);
  }
  Phase70Input input;
  input.setup = manifest.setup;
  input.preflight = LoadPhase70Preflight(paths);
  const auto verdict = [&](const std::vector<Phase70Leg>& legs) {
    input.legs = legs;
    return nlohmann::json(AnalyzePhase70(input, "now").verdict);
  };
  EXPECT_EQ(verdict(released), verdict(kept));
}

// Four times the legs: what grows is a small part of what the rows themselves would take.
TEST(AnalysisMemory, GrowsByTheDigestOfALegNotByItsRows) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer keeps freed memory";
  const Phase70Paths paths{sample::Scratch("campaign_memory"), "20260101T000000Z"};
  ASSERT_GT(PeakKib([&] { WriteCampaign(paths, 8); }), 0);
  const Phase70Manifest all = LoadPhase70Manifest(paths);
  Phase70Manifest quarter = all;
  quarter.runs.resize(4);
  const auto growth = [&](LegRows rows) {
    const auto peak = [&](const Phase70Manifest& manifest) {
      return PeakKib([&] {
        Phase70Input input;
        input.setup = manifest.setup;
        input.legs = LoadPhase70Legs(paths, manifest, rows);
        AnalyzePhase70(input, "now");
      });
    };
    const long small = peak(quarter), large = peak(all);
    EXPECT_GT(small, 0);
    return large - small;
  };
  const long with_rows = growth(LegRows::kKeep), without = growth(LegRows::kRelease);
  EXPECT_GT(with_rows, 12 * kRows / 2) << "KiB; else there is nothing to save";
  EXPECT_LT(without * 4, with_rows) << "KiB";
}

/// A closed run whose requests.jsonl has this many rows more.
std::filesystem::path WriteLongRun(const std::string& name, int rows) {
  const LegEvidence leg = sample::Leg();
  RunBundleWriter writer(sample::Scratch(name) / leg.run_id);
  sample::WriteUpToTheEnd(writer, leg);
  for (int i = 0; i < rows; ++i) writer.AppendRecord(leg.records[2]);
  writer.Close(leg);
  return writer.run_dir();
}

// Ten times the requests: export and index hold one at a time, so what they take stays.
TEST(AnalysisMemory, ExportAndIndexReadRequestsOneByOne) {
  if (kSanitized) GTEST_SKIP() << "the sanitizer keeps freed memory";
  constexpr int kFew = 1500, kMany = 15000;
  const auto few = WriteLongRun("few_requests", kFew), many = WriteLongRun("many_requests", kMany);
  const auto peak = [](const std::filesystem::path& run) {
    return PeakKib([&] {
      ExportLegacy({.run_dir = run});
      UpdateIndex({.results_root = run.parent_path()});
    });
  };
  const long small = peak(few), large = peak(many);
  ASSERT_GT(small, 0);
  const auto more_rows = static_cast<long>(std::filesystem::file_size(many / "requests.jsonl") -
                                           std::filesystem::file_size(few / "requests.jsonl"));
  EXPECT_GT(more_rows / 1024, 16 * 1024) << "KiB; else there is nothing to see";
  EXPECT_LT(large - small, more_rows / 1024 / 8) << "KiB";
}

}  // namespace
}  // namespace kvtier
