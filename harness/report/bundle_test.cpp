#include "harness/report/bundle.hpp"

#include <signal.h>

#include <atomic>
#include <fstream>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "harness/core/error.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/process_identity.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ErrorOf(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Evidence has no operator==; its JSON is everything that is kept of it.
json WholeJson(const LegEvidence& leg) {
  json j = LegHeadJson(leg);
  j["closed"] = leg.closed;
  j["phases"] = leg.phases;
  for (const auto& r : leg.records) j["records"].push_back(ToJson(r));
  return j;
}

fs::path WriteClosed(const fs::path& dir, const LegEvidence& leg) {
  RunBundleWriter writer(dir);
  sample::WriteUpToTheEnd(writer, leg);
  writer.Close(leg);
  return dir;
}

TEST(Bundle, EvidenceComesBackAsItWasWritten) {
  const auto dir = sample::Scratch("round") / "run";
  LegEvidence leg = sample::Leg();
  leg.records.push_back(sample::Record("replay", 5, 0, Outcome::kHttpError));
  leg.phases[1].io.process_read = Reading<Bytes>::Unavailable("the worker is of another user");
  leg.phases[1].expected.reset();
  leg.phases[0].drain = {.settled = false, .waited_s = 30, .why = "offloads still move"};
  RunBundleWriter writer(dir);
  writer.WriteConfig(sample::Config(leg));
  for (const auto& r : leg.records) writer.AppendRecord(r);
  for (const auto& p : leg.phases) writer.WritePhase(p, {});
  writer.Close(leg);
  EXPECT_EQ(WholeJson(LoadLeg(dir)), WholeJson(leg));
  EXPECT_TRUE(IsClosed(dir));
}

// Keys that came after the first release, as a bundle of before lacks them.
void MakeOlder(const fs::path& dir) {
  json summary = ReadJson(dir / bundle_files::kSummary);
  summary["leg"].erase("storage");
  for (auto& p : summary["phase_summaries"]) p.erase("host");
  WriteJsonAtomic(dir / bundle_files::kSummary, summary);
  for (const char* phase : {"populate", "replay"}) {
    const fs::path file = dir / "phase_deltas" / (std::string("phase_") + phase + "_evidence.json");
    json j = ReadJson(file);
    j.erase("host");
    for (const char* key :
         {"adapter", "prompt_tokens", "hit_tokens_g1", "hit_tokens_g2", "hit_tokens_g3",
          "onboard_g3_to_g2_blocks", "offload_to_g2_bytes", "offload_to_g3_bytes",
          "onboard_from_g2_bytes", "onboard_from_g3_bytes", "offload_seconds", "onboard_seconds",
          "evicted_blocks", "failed_transfers"})
      ASSERT_EQ(j["tiers"].erase(key), 1U) << key;
    WriteJsonAtomic(file, j);
  }
}

TEST(Bundle, ABundleFromBeforeAKeyExistedLoadsAndSaysThatItWasNotRecorded) {
  const auto dir = WriteClosed(sample::Scratch("older") / "run", sample::Leg());
  MakeOlder(dir);
  const LegEvidence leg = LoadLeg(dir);
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
  const PhaseEvidence& replay = leg.phases[1];
  EXPECT_EQ(replay.tiers.onboard_g3_to_g1_blocks, 34U) << "what was there is read";
  EXPECT_THAT(replay.host.during.reason(), HasSubstr("not recorded by the version"));
  EXPECT_FALSE(replay.host.before.available());
  EXPECT_FALSE(replay.host.recorder.available());
  EXPECT_FALSE(replay.host.other_workers.available());
  EXPECT_FALSE(replay.tiers.evicted_blocks.available()) << "not 0";
  EXPECT_EQ(replay.tiers.offload_to_g3_bytes.reason(),
            "not recorded by the version that wrote this bundle");
  EXPECT_EQ(replay.tiers.adapter, "");
  EXPECT_FALSE(leg.storage.before.available());
  EXPECT_EQ(leg.storage.identity.device, "");
  EXPECT_FALSE(leg.io_attribution);
}

TEST(Bundle, AKeyThatIsThereIsReadStrictly) {
  const auto dir = WriteClosed(sample::Scratch("strict") / "run", sample::Leg());
  const fs::path file = dir / "phase_deltas/phase_replay_evidence.json";
  const json good = ReadJson(file);
  const auto error_with = [&](const char* path, const json& value) {
    json j = good;
    j[json::json_pointer(path)] = value;
    WriteJsonAtomic(file, j);
    return ErrorOf([&] { LoadLeg(dir); });
  };
  EXPECT_THAT(error_with("/host/during/queue_depth", "deep"), HasSubstr("queue_depth"));
  EXPECT_THAT(error_with("/tiers/evicted_blocks", -1), HasSubstr("evicted_blocks is -1"));
  EXPECT_THAT(error_with("/tiers/evicted_blocks", 1.5), HasSubstr("expected a count"));
  EXPECT_THAT(error_with("/tiers/offload_to_g3_bytes", -4096), HasSubstr("offload_to_g3_bytes"));
  EXPECT_THAT(error_with("/host/recorder", 7), HasSubstr("phase_replay_evidence.json"));
  json j = good;
  j["host"]["during"].erase("read_await_ms");
  WriteJsonAtomic(file, j);
  EXPECT_THAT(ErrorOf([&] { LoadLeg(dir); }), HasSubstr("read_await_ms"));
}

TEST(Bundle, AnInfiniteFigureIsUnavailable) {
  PhaseEvidence p = sample::Leg().phases[0];
  HostWindow w = sample::Window();
  w.queue_depth = std::numeric_limits<double>::infinity();
  p.host.during = w;
  const auto back = json::parse(json(p).dump()).get<PhaseEvidence>();
  EXPECT_THAT(back.host.during->queue_depth.reason(), HasSubstr("not a finite number"));
}

TEST(Bundle, ConfigComesBackWithOrigins) {
  const auto dir = sample::Scratch("config") / "run";
  const RunConfig config = sample::Config(sample::Leg());
  RunBundleWriter writer(dir);
  writer.WriteConfig(config);
  const RunConfig back = LoadRunConfig(dir);
  EXPECT_EQ(json(back), json(config));
  EXPECT_EQ(ReadJson(dir / "manifest.json").at("args_origin").at("scenario.populate_sessions"),
            "BENCH_PHASE70_REHYDRATE_POPULATE_SESSIONS");
  EXPECT_EQ(ReadJson(dir / "manifest.json").at("model_id_resolved"), "kvtier-ref-nano");
}

TEST(Bundle, EveryArtifactHoldsItsSchema) {
  for (const TierMode tier : {TierMode::kB1, TierMode::kB2}) {
    const auto dir = WriteClosed(sample::Scratch("schema") / "run", sample::Leg(tier));
    EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
  }
}

TEST(Bundle, AnInvalidRunAndOneWithoutMetricsHoldTheirSchemasToo) {
  const auto dir = sample::Scratch("invalid") / "run";
  LegEvidence leg = sample::Leg(TierMode::kB0);
  leg.run_valid = false;
  leg.invalid_reason = "model_dropped";
  leg.invalid_details = {"/v1/models is empty"};
  leg.models_at_end = Reading<std::uint64_t>::Unavailable("connection refused");
  leg.records = {sample::Record("populate", 1, 0, Outcome::kConnectError)};
  for (auto& p : leg.phases) p.tiers = {};
  RunBundleWriter writer(dir);
  writer.WriteConfig(sample::Config(leg));
  writer.AppendRecord(leg.records[0]);
  PhaseBoundaries b = sample::Boundaries(sample::Leg().phases[1]);
  b.kvbm_start.skipped = b.kvbm_end.skipped = true;
  b.kvbm_start.success = b.kvbm_end.success = false;
  b.os_end.processes = Reading<std::vector<ProcessIo>>::Unavailable("process 7 is gone");
  b.os_end.device_read = Reading<Bytes>::Unavailable("no such device");
  leg.phases[0].io = {};
  writer.AppendSnapshot(b.kvbm_start);
  writer.WritePhase(leg.phases[0], b);
  writer.WritePhase(leg.phases[1], b);
  writer.Close(leg);
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
  EXPECT_FALSE(fs::exists(dir / bundle_files::kSnapshots)) << "B0 asks for no metrics";
  const json summary = ReadJson(dir / "summary.json");
  EXPECT_EQ(summary.at("overall_summary").at("excluded"), true);
  EXPECT_EQ(summary.at("overall_summary").at("reason"), "model_dropped");
  EXPECT_EQ(summary.at("kvbm_metrics_status").at("status"), "skipped");
}

TEST(SchemaCheck, FindsAPlantedWrongTypeAMissingKeyAndAnUnknownFile) {
  const auto dir = WriteClosed(sample::Scratch("planted") / "run", sample::Leg());
  json summary = ReadJson(dir / "summary.json");
  summary["phase_summaries"][1]["ttfc_ms"]["p95"] = "30.0";
  WriteJsonAtomic(dir / "summary.json", summary);
  json delta = ReadJson(dir / "phase_deltas/phase_replay_kvbm_metrics_delta.json");
  delta["kvbm_onboard_blocks_d2d_delta"] = -1;
  WriteJsonAtomic(dir / "phase_deltas/phase_replay_kvbm_metrics_delta.json", delta);
  json config = ReadJson(dir / "config.json");
  config.erase("run_id");
  WriteJsonAtomic(dir / "config.json", config);
  std::ofstream(dir / "new_thing.json") << "{}";
  std::string all;
  for (const auto& v : CheckBundle(dir, kSchemas)) all += v + "\n";
  EXPECT_THAT(all, HasSubstr("summary.json"));
  EXPECT_THAT(all, HasSubstr("phase_replay_kvbm_metrics_delta.json"));
  EXPECT_THAT(all, HasSubstr("run_id"));
  EXPECT_THAT(all, HasSubstr("new_thing.json: no schema knows this file"));
}

TEST(Bundle, ARowOfTheWrongTypeIsCaughtInAJsonlFile) {
  const auto dir = WriteClosed(sample::Scratch("row") / "run", sample::Leg());
  auto rows = ReadJsonl(dir / "requests.jsonl");
  rows[1]["ttfc_ms"] = "fast";
  JsonlWriter writer(dir / "requests.jsonl");
  for (const auto& r : rows) writer.Append(r);
  const auto violations = CheckBundle(dir, kSchemas);
  ASSERT_FALSE(violations.empty());
  EXPECT_THAT(violations[0], HasSubstr("requests.jsonl:2"));
}

TEST(Bundle, AKilledRunSaysSoAndKeepsWhatItFinished) {
  const auto dir = sample::Scratch("killed") / "run";
  const LegEvidence leg = sample::Leg();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    RunBundleWriter writer(dir);
    writer.WriteConfig(sample::Config(leg));
    writer.WriteReadback(leg.worker);
    writer.AppendRecord(leg.records[0]);
    writer.AppendRecord(leg.records[1]);
    writer.WritePhase(leg.phases[0], sample::Boundaries(leg.phases[0]));
    writer.AppendRecord(leg.records[2]);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  std::ofstream(dir / "requests.jsonl", std::ios::app)
      << "{\"request_index\": 4, \"pha";  // the row it died in

  const auto state = LoadRunState(dir);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->state, "killed");
  const LegEvidence back = LoadLeg(dir);
  EXPECT_FALSE(back.closed);
  EXPECT_FALSE(back.run_valid);
  EXPECT_EQ(back.invalid_reason, "run_incomplete");
  EXPECT_EQ(back.run_id, leg.run_id);
  EXPECT_EQ(back.tier, TierMode::kB2);
  EXPECT_EQ(back.records.size(), 3U);
  ASSERT_EQ(back.phases.size(), 1U);
  EXPECT_EQ(back.phases[0].name, "populate");
  EXPECT_EQ(back.worker.disk_blocks, leg.worker.disk_blocks);
  EXPECT_FALSE(back.models_at_end.available());
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());
}

TEST(Bundle, ARunThatIsDroppedWithoutAnEndIsAborted) {
  const auto dir = sample::Scratch("dropped") / "run";
  { RunBundleWriter writer(dir); }
  EXPECT_EQ(LoadRunState(dir)->state, "aborted");
  EXPECT_FALSE(LoadLeg(dir).closed);
  EXPECT_EQ(LoadLeg(dir).run_id, "run");
}

TEST(Bundle, ARunThatGoesOnIsRunning) {
  const auto dir = sample::Scratch("running") / "run";
  RunBundleWriter writer(dir);
  EXPECT_EQ(LoadRunState(dir)->state, "running");
  EXPECT_THAT(LoadLeg(dir).invalid_details.at(0), HasSubstr("still going on"));
}

TEST(Bundle, AnotherVersionIsRefusedByFileAndKey) {
  const auto dir = WriteClosed(sample::Scratch("version") / "run", sample::Leg());
  const fs::path file = dir / "phase_deltas/phase_replay_evidence.json";
  json j = ReadJson(file);
  j["schema_version"] = 2;
  WriteJsonAtomic(file, j);
  const std::string error = ErrorOf([&] { LoadLeg(dir); });
  EXPECT_THAT(error, HasSubstr("phase_replay_evidence.json"));
  EXPECT_THAT(error, HasSubstr("schema_version is 2"));
}

TEST(Bundle, AMissingKeyIsRefusedByFileAndKey) {
  const auto dir = WriteClosed(sample::Scratch("missing") / "run", sample::Leg());
  const fs::path file = dir / "phase_deltas/phase_replay_evidence.json";
  json j = ReadJson(file);
  j["tiers"].erase("matched_tokens");
  WriteJsonAtomic(file, j);
  const std::string error = ErrorOf([&] { LoadLeg(dir); });
  EXPECT_THAT(error, HasSubstr("phase_replay_evidence.json"));
  EXPECT_THAT(error, HasSubstr("matched_tokens"));
  EXPECT_THAT(ErrorOf([] { LoadLeg("/no/such/run"); }), HasSubstr("/no/such/run is no run folder"));
}

TEST(Bundle, AFolderIsNeverOverwritten) {
  const auto dir = WriteClosed(sample::Scratch("twice") / "run", sample::Leg());
  EXPECT_THAT(ErrorOf([&] { RunBundleWriter again(dir); }), HasSubstr("already holds a run"));
  EXPECT_TRUE(IsClosed(dir));
}

TEST(Bundle, FailedAttemptsAreSetAsideAndListed) {
  const auto dir = sample::Scratch("attempts") / "run";
  { RunBundleWriter writer(dir); }
  EXPECT_EQ(RetireAttempt(dir, "worker lost").filename(), "run.attempt1");
  { RunBundleWriter writer(dir); }
  EXPECT_EQ(RetireAttempt(dir, "drain").filename(), "run.attempt2");
  EXPECT_FALSE(fs::exists(dir));
  const auto attempts = ListAttempts(dir);
  ASSERT_EQ(attempts.size(), 2U);
  EXPECT_EQ(attempts[0].reason, "worker lost");
  EXPECT_EQ(attempts[1].reason, "drain");
  EXPECT_EQ(RetireAttempt(dir, "nothing there"), dir);
  EXPECT_THAT(CheckBundle(dir.parent_path(), kSchemas), IsEmpty());
}

TEST(Bundle, AConcurrentReaderSeesWholeFilesOnly) {
  const auto dir = sample::Scratch("reader") / "run";
  const LegEvidence leg = sample::Leg();
  RunBundleWriter writer(dir);
  writer.WriteConfig(sample::Config(leg));
  std::atomic<bool> stop = false, failed = false;
  std::atomic<int> reads = 0;
  std::string failure;
  std::thread reader([&] {
    while (!stop) {
      try {
        const LegEvidence seen = LoadLeg(dir);
        for (std::size_t i = 0; i < seen.records.size(); ++i) {
          if (seen.records[i].text != "abcdefgh") throw DataError("a torn record");
        }
        ++reads;
      } catch (const std::exception& e) {
        failure = e.what();
        failed = true;
        return;
      }
    }
  });
  for (int i = 1; !failed && (i <= 100 || (reads < 3 && i < 5000)); ++i) {
    writer.AppendRecord(sample::Record("replay", i, 20));
    if (i % 10 == 0)
      writer.WritePhase(leg.phases[static_cast<std::size_t>(i / 10 % 2)],
                        sample::Boundaries(leg.phases[0]));
  }
  writer.Close(leg);
  stop = true;
  reader.join();
  EXPECT_EQ(failure, "");
}

TEST(Bundle, PhaseNamesAreSafeAsFileNames) {
  EXPECT_EQ(SanitizePhase("replay_2"), "replay_2");
  EXPECT_EQ(SanitizePhase("__a/../b c__"), "a_.._b_c");
  EXPECT_EQ(SanitizePhase("///"), "");
}

TEST(ProcessIdentity, KnowsItselfAndNobodyWithItsNumber) {
  const ProcessIdentity self = ProcessIdentity::OfThis();
  EXPECT_TRUE(self.Alive());
  EXPECT_FALSE((ProcessIdentity{self.pid, self.start_ticks + 1}.Alive()));
  EXPECT_FALSE((ProcessIdentity{0, 0}.Alive()));
}

TEST(RunConfigFile, RangesOfPromptsAreTwoNumbers) {
  RunConfig config = sample::Config(sample::Leg());
  EXPECT_TRUE(json(config).at("short_range").is_null()) << "the run has no such setting";
  config.settings.push_back({"standard.short_range", "512:2048", "default"});
  config.settings.push_back({"scenario.long_range", "6000:7600", "default"});
  EXPECT_EQ(json(config).at("short_range"), (json{512, 2048}));
  EXPECT_EQ(json(config).at("long_range"), (json{6000, 7600}));
}

}  // namespace
}  // namespace kvtier
