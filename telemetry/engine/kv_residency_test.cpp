#include "telemetry/engine/kv_residency.hpp"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/net/http_server.hpp"
#include "telemetry/engine/kv_event_recorder.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Blocks 1 to 6 come to all tiers, 1 and 2 leave the device, 1 leaves the host.
struct TrueStory {
  TrueStory() {
    for (std::uint64_t block = 1; block <= 6; ++block) {
      Add(Stored(block, KvMedium::kDevice));
      Add(Stored(block, KvMedium::kHost));
      Add(Stored(block, KvMedium::kDisk));
    }
    Add(KvRemoved{{1, 2}, KvMedium::kDevice});
    Add(KvRemoved{{1}, KvMedium::kHost});
    KvStoreTruth truth;
    truth.next_sequence = inputs.log.batches.size();
    truth.device = {3, 4, 5, 6};
    truth.host = {2, 3, 4, 5, 6};
    truth.disk = {1, 2, 3, 4, 5, 6};
    inputs.store = truth;
    inputs.counters.success = true;
    inputs.counters.metrics = {
        {"kvtier_ref_device_used_blocks", 4}, {"kvtier_ref_host_used_blocks", 5},
        {"kvtier_ref_disk_used_blocks", 6},   {"kvtier_ref_device_evictions", 2},
        {"kvtier_ref_host_evictions", 1},     {"kvtier_ref_disk_evictions", 0},
        {"kvtier_ref_failed_onboards", 0},    {"kvtier_ref_failed_offloads", 0},
        {"kvtier_ref_skipped_offloads", 0},   {"kvtier_ref_offloads_pending", 0},
        {"kvtier_ref_requests_running", 0},   {"kvbm_offload_blocks_d2h", 7},
        {"kvbm_offload_blocks_h2d", 6},       {"kvbm_offload_blocks_d2d", 0}};
  }
  static KvStored Stored(std::uint64_t block, KvMedium medium) {
    KvStored stored;
    stored.block_hashes = {block};
    if (block > 1) stored.parent_hash = block - 1;
    stored.token_ids = {static_cast<std::uint32_t>(block)};
    stored.block_size = 1;
    stored.medium = medium;
    return stored;
  }
  void Add(KvEvent event) {
    HeardKvBatch heard;
    heard.sequence = inputs.log.batches.size();
    heard.batch.events = {std::move(event)};
    inputs.log.batches.push_back(std::move(heard));
  }
  /// The events with one more lie.
  std::vector<KvEvent>& Of(std::size_t batch) { return inputs.log.batches.at(batch).batch.events; }
  std::vector<std::string> Codes() const {
    std::vector<std::string> codes;
    for (const auto& f : JudgeKvResidency(inputs).findings) {
      if (std::find(codes.begin(), codes.end(), f.code) == codes.end()) codes.push_back(f.code);
    }
    return codes;
  }
  KvResidencyInputs inputs;
};

TEST(KvResidencyTest, TheTruthAgrees) {
  const auto report = JudgeKvResidency(TrueStory().inputs);
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_THAT(report.unchecked, IsEmpty());
  EXPECT_EQ(report.verdict, "agree");
  EXPECT_EQ(report.batches, 20U);
  EXPECT_EQ(report.events, 20U);
  const auto& host = report.tiers.at("host_pinned");
  EXPECT_EQ(host.stored, 6U);
  EXPECT_EQ(host.removed, 1U);
  EXPECT_EQ(host.resident, 5U);
  EXPECT_EQ(*host.store_resident, 5U);
}

TEST(KvResidencyTest, ADroppedStoreIsFound) {
  TrueStory story;
  story.Of(16).clear();  // block 6 in the host tier
  const auto report = JudgeKvResidency(story.inputs);
  EXPECT_EQ(report.verdict, "disagree");
  EXPECT_THAT(story.Codes(), ElementsAre("ONLY_IN_STORE", "OCCUPANCY_DISAGREES"));
  EXPECT_THAT(report.tiers.at("host_pinned").examples_only_in_store,
              ElementsAre("0000000000000006"));
}

TEST(KvResidencyTest, ADroppedRemovalIsFound) {
  TrueStory story;
  story.Of(19).clear();
  EXPECT_THAT(story.Codes(),
              ElementsAre("ONLY_IN_EVENTS", "OCCUPANCY_DISAGREES", "EVICTIONS_DISAGREE"));
}

TEST(KvResidencyTest, ADuplicatedRemovalIsFound) {
  TrueStory story;
  story.Of(19).push_back(KvRemoved{{1}, KvMedium::kHost});
  EXPECT_THAT(story.Codes(), ElementsAre("REMOVED_TWICE", "EVICTIONS_DISAGREE"));
}

TEST(KvResidencyTest, AWrongTierIsFound) {
  TrueStory story;
  std::get<KvStored>(story.Of(16).at(0)).medium = KvMedium::kDisk;  // block 6, host
  EXPECT_THAT(story.Codes(), ElementsAre("STORED_TWICE", "ONLY_IN_STORE", "OCCUPANCY_DISAGREES",
                                         "OFFLOADS_DISAGREE"));
  TrueStory removal;
  std::get<KvRemoved>(removal.Of(19).at(0)).medium = KvMedium::kDisk;
  const auto codes = removal.Codes();
  EXPECT_THAT(codes, testing::Contains("ONLY_IN_EVENTS"));  // host keeps it
  EXPECT_THAT(codes, testing::Contains("ONLY_IN_STORE"));   // disk lost it
}

TEST(KvResidencyTest, EqualNumbersOfOtherBlocksAreFound) {
  TrueStory story;
  story.Of(16) = {TrueStory::Stored(99, KvMedium::kHost)};
  EXPECT_THAT(story.Codes(), ElementsAre("PARENT_UNKNOWN", "ONLY_IN_EVENTS", "ONLY_IN_STORE"));
}

TEST(KvResidencyTest, ALostBatchIsSaidAndNothingElseIsJudged) {
  TrueStory story;
  story.inputs.log.batches.erase(story.inputs.log.batches.begin() + 16);
  EXPECT_THAT(story.Codes(), ElementsAre("EVENTS_LOST"));
  TrueStory told;
  told.inputs.log.lost_batches = 1;
  EXPECT_THAT(told.Codes(), ElementsAre("EVENTS_LOST"));
}

TEST(KvResidencyTest, WhatWasSaidAfterTheStoresMomentDoesNotCount) {
  TrueStory story;
  story.Add(KvRemoved{{6}, KvMedium::kDisk});
  const auto report = JudgeKvResidency(story.inputs);
  EXPECT_EQ(report.verdict, "agree");
  EXPECT_THAT(report.unchecked, ElementsAre(HasSubstr("events went on")));
}

TEST(KvResidencyTest, CountersThatLieAreFound) {
  const auto codes = [](const std::string& metric, double value) {
    TrueStory story;
    story.inputs.counters.metrics[metric] = value;
    return story.Codes();
  };
  EXPECT_THAT(codes("kvbm_offload_blocks_d2h", 5), ElementsAre("OFFLOADS_DISAGREE"));
  EXPECT_THAT(codes("kvbm_offload_blocks_h2d", 5), ElementsAre("OFFLOADS_DISAGREE"));
  EXPECT_THAT(codes("kvbm_offload_blocks_h2d", 7), ElementsAre("OFFLOADS_DISAGREE"));
  EXPECT_THAT(codes("kvtier_ref_disk_used_blocks", 5), ElementsAre("OCCUPANCY_DISAGREES"));
  EXPECT_THAT(codes("kvtier_ref_device_used_blocks", 5), ElementsAre("OCCUPANCY_DISAGREES"));
  EXPECT_THAT(codes("kvtier_ref_host_evictions", 2), ElementsAre("EVICTIONS_DISAGREE"));
}

TEST(KvResidencyTest, BlocksInUseHaveNoNameYet) {
  TrueStory story;
  story.inputs.counters.metrics["kvtier_ref_requests_running"] = 1;
  story.inputs.counters.metrics["kvtier_ref_device_used_blocks"] = 9;
  EXPECT_THAT(story.Codes(), IsEmpty());
  story.inputs.counters.metrics["kvtier_ref_device_used_blocks"] = 3;
  EXPECT_THAT(story.Codes(), ElementsAre("OCCUPANCY_DISAGREES"));
}

TEST(KvResidencyTest, WithoutAStoreOrCountersThereIsAReasonAndNoAgreement) {
  TrueStory story;
  story.inputs.store = Reading<KvStoreTruth>::Unavailable("nobody can be asked");
  story.inputs.counters = {};
  story.inputs.counters.error = "down";
  const auto report = JudgeKvResidency(story.inputs);
  EXPECT_EQ(report.verdict, "unseen");
  EXPECT_THAT(report.unchecked, ElementsAre(HasSubstr("nobody can be asked"), HasSubstr("down")));
  EXPECT_FALSE(report.tiers.at("disk").store_resident.available());
}

TEST(KvResidencyTest, KvbmAloneIsJudgedByWhatItExports) {
  TrueStory story;
  std::erase_if(story.inputs.counters.metrics,
                [](const auto& m) { return m.first.starts_with("kvtier_ref_"); });
  const auto report = JudgeKvResidency(story.inputs);
  EXPECT_EQ(report.verdict, "agree");
  EXPECT_EQ(report.unchecked.size(), 6U);
  story.inputs.counters.metrics["kvbm_offload_blocks_h2d"] = 9;  // more than were ever stored
  EXPECT_THAT(story.Codes(), ElementsAre("OFFLOADS_DISAGREE"));
}

TEST(KvResidencyTest, ClearedTiersAreEmpty) {
  TrueStory story;
  story.Add(KvCleared{});
  story.inputs.store = KvStoreTruth{21, {}, {}, {}};
  story.inputs.counters = {};
  EXPECT_EQ(JudgeKvResidency(story.inputs).verdict, "agree");
}

TEST(KvResidencyTest, TheArtifactReadsBack) {
  TrueStory story;
  story.Of(16).clear();
  story.inputs.counters = {};
  const auto report = JudgeKvResidency(story.inputs);
  const json j = report;
  EXPECT_EQ(json(KvResidencyFromJson(j, "f")), j);
  json other = j;
  other["schema_version"] = 2;
  EXPECT_THROW(KvResidencyFromJson(other, "f"), DataError);
  other = j;
  other["tiers"]["disk"].erase("stored");
  EXPECT_THROW(KvResidencyFromJson(other, "f"), DataError);
}

TEST(KvStoreTruthTest, ReadsTheDocumentAndNamesWhatIsWrong) {
  const json good{{"schema_version", 1},
                  {"next_sequence", 4},
                  {"tiers",
                   {{"device", {{{"block_hash", "00000000000000ff"}}}},
                    {"host_pinned", json::array()},
                    {"disk", json::array()}}}};
  const auto truth = ParseKvStoreTruth(good.dump());
  EXPECT_EQ(truth.next_sequence, 4U);
  EXPECT_TRUE(truth.device.contains(255));
  json bad = good;
  bad["tiers"].erase("disk");
  EXPECT_THROW(ParseKvStoreTruth(bad.dump()), ProtocolError);
  bad = good;
  bad["tiers"]["device"][0]["block_hash"] = "xyz";
  EXPECT_THROW(ParseKvStoreTruth(bad.dump()), ProtocolError);
  EXPECT_THROW(ParseKvStoreTruth("[]"), ProtocolError);
  EXPECT_THROW(ParseKvStoreTruth(""), ProtocolError);
}

/// A store whose answer a test writes.
struct StoreServer {
  explicit StoreServer(std::function<std::string()> answer)
      : server({}, [answer = std::move(answer)](const HttpRequest&,
                                                std::shared_ptr<Responder> responder) {
          responder->SendFull(200, "application/json", answer());
        }) {}
  HttpServer server;
};

std::string StoreHolds(std::uint64_t next, const std::vector<std::uint64_t>& device) {
  json blocks = json::array();
  for (const auto hash : device) blocks.push_back({{"block_hash", fmt::format("{:016x}", hash)}});
  return json{
      {"schema_version", 1},
      {"next_sequence", next},
      {"tiers", {{"device", blocks}, {"host_pinned", json::array()}, {"disk", json::array()}}}}
      .dump();
}

TEST(KvEventRecorderTest, HearsFromTheStartAndAsksTheStore) {
  KvEventPublisher publisher({});
  publisher.Publish({.timestamp_s = 1, .events = {TrueStory::Stored(1, KvMedium::kDevice)}});
  KvEventRecorder recorder(publisher.endpoint(), publisher.replay_endpoint());
  publisher.Publish({.timestamp_s = 1, .events = {TrueStory::Stored(2, KvMedium::kDevice)}});
  StoreServer store([] { return StoreHolds(2, {1, 2}); });
  const auto report =
      recorder.Judge(store.server.url() + "/kv_residency", {}, std::chrono::seconds(20));
  EXPECT_EQ(report.verdict, "agree") << json(report).dump(2);
  EXPECT_EQ(report.batches, 2U);
}

TEST(KvEventRecorderTest, CountersOfAnotherMomentAreNotJudged) {
  KvEventPublisher publisher({});
  publisher.Publish({.timestamp_s = 1, .events = {KvCleared{}}});
  publisher.Publish({.timestamp_s = 1, .events = {KvCleared{}}});
  KvEventRecorder recorder(publisher.endpoint(), publisher.replay_endpoint());
  std::uint64_t asked = 0;
  StoreServer store([&] { return StoreHolds(++asked, {}); });
  KvbmSnapshot counters;
  counters.success = true;
  const auto report = recorder.Judge(
      store.server.url() + "/kv_residency", [&] { return counters; }, std::chrono::seconds(20));
  EXPECT_EQ(report.verdict, "agree");
  EXPECT_THAT(report.unchecked, ElementsAre(HasSubstr("changed while")));
}

TEST(KvEventRecorderTest, AStoreThatDoesNotAnswerIsAReason) {
  KvEventPublisher publisher({});
  KvEventRecorder recorder(publisher.endpoint(), publisher.replay_endpoint());
  EXPECT_EQ(recorder.Judge("", {}, std::chrono::seconds(20)).verdict, "unseen");
  EXPECT_EQ(recorder.Judge("http://127.0.0.1:1/kv_residency", {}, std::chrono::seconds(20)).verdict,
            "unseen");
}

}  // namespace
}  // namespace kvtier
