#include "harness/net/kv_events.hpp"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/net/kv_events_json.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::uint32_t> Count(std::uint32_t first, std::size_t n) {
  std::vector<std::uint32_t> tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::string Msgpack(const json& j) {
  std::string bytes;
  json::to_msgpack(j, bytes);
  return bytes;
}

std::string WhyNot(const json& message) {
  try {
    DecodeKvEventBatch(Msgpack(message));
  } catch (const ProtocolError& e) {
    return e.what();
  }
  return {};
}

const KvStored kStored{.block_hashes = {8026409477313730465U, 18446744073709551613U},
                       .parent_hash = 7,
                       .token_ids = Count(1, 8),
                       .block_size = 4,
                       .medium = KvMedium::kHost};

// Vectors of upstream's own tests, and of an independent XXH3.
TEST(KvHashTest, TheChainOfTheRouter) {
  const auto hashes = TokensHashes(Count(1, 14), 4);
  ASSERT_EQ(hashes.size(), 3U);  // a partial block has none
  EXPECT_EQ(hashes[0], 14643705804678351452U);
  EXPECT_EQ(hashes[1], 16777012769546811212U);
  EXPECT_EQ(hashes[2], 483935686894639516U);
  const auto first = ChainHash(std::nullopt, hashes[0]);
  EXPECT_EQ(first, hashes[0]);
  const auto second = ChainHash(first, hashes[1]);
  EXPECT_EQ(second, 4945711292740353085U);
  EXPECT_EQ(ChainHash(second, hashes[2]), 12583592247330656132U);
  EXPECT_EQ(TokensHash(Count(0, 32)), 5756925433886871916U);
  EXPECT_EQ(TokensHash(Count(0, 64)), 3480597578098033343U);
}

TEST(KvHashTest, AdaptersAndSaltsHaveSeedsOfTheirOwn) {
  EXPECT_EQ(RouterSeed(), 1337U);
  EXPECT_EQ(RouterSeed("my-lora"), 12827409268353072861U);
  EXPECT_EQ(RouterSeed("", "tenant-a"), 1948188790972764086U);
  EXPECT_EQ(RouterSeed("my-lora", "tenant-a"),
            RouterSeed("my-lora") + RouterSeed("", "tenant-a") - 1337);
}

TEST(KvHashTest, TheEnginesOwnChainDiffersOnlyInItsSalt) {
  constexpr std::uint64_t kKvbmSalt = 1389868326933519382U;
  const auto hashes = TokensHashes(Count(1, 8), 4, kKvbmSalt);
  EXPECT_EQ(hashes[0], 8026409477313730465U);
  EXPECT_EQ(hashes[1], 4932910930253085737U);
  EXPECT_EQ(ChainHash(hashes[0], hashes[1], kKvbmSalt), 8178148779430958753U);
}

TEST(KvMediumTest, EveryNameThatUpstreamReads) {
  for (const KvMedium medium : kKvMedia) EXPECT_EQ(MediumOf(MediumName(medium)), medium);
  EXPECT_EQ(MediumName(KvMedium::kDevice), "GPU");
  EXPECT_EQ(MediumName(KvMedium::kHost), "CPU_TIER1");
  EXPECT_EQ(MediumName(KvMedium::kDisk), "CPU_TIER2");
  EXPECT_EQ(MediumOf("CPU_PINNED"), KvMedium::kHost);
  EXPECT_EQ(MediumOf("NVME"), KvMedium::kDisk);
  EXPECT_EQ(MediumOf("SHARED"), KvMedium::kExternal);
  EXPECT_EQ(MediumOf("something new"), KvMedium::kDevice);
}

TEST(KvEventBatchTest, TheWireIsTheDocumentedOne) {
  const KvEventBatch batch{.timestamp_s = 12.5,
                           .events = {kStored, KvRemoved{{5}, KvMedium::kDisk}, KvCleared{}},
                           .dp_rank = std::nullopt};
  const json wire = json::from_msgpack(EncodeKvEventBatch(batch));
  ASSERT_TRUE(wire.is_array());
  ASSERT_EQ(wire.size(), 3U);
  EXPECT_EQ(wire[0], 12.5);
  EXPECT_TRUE(wire[2].is_null());
  EXPECT_EQ(wire[1][0]["type"], "BlockStored");
  EXPECT_EQ(wire[1][0]["block_hashes"][1], 18446744073709551613U);
  EXPECT_EQ(wire[1][0]["parent_block_hash"], 7);
  EXPECT_EQ(wire[1][0]["token_ids"].size(), 8U);
  EXPECT_EQ(wire[1][0]["block_size"], 4);
  EXPECT_EQ(wire[1][0]["medium"], "CPU_TIER1");
  EXPECT_EQ(wire[1][1]["type"], "BlockRemoved");
  EXPECT_EQ(wire[1][1]["medium"], "CPU_TIER2");
  EXPECT_EQ(wire[1][2]["type"], "AllBlocksCleared");
  EXPECT_EQ(DecodeKvEventBatch(EncodeKvEventBatch(batch)).events, batch.events);
}

TEST(KvEventBatchTest, ArraysAsVllmSendsThem) {
  const KvEventBatch batch = DecodeKvEventBatch(
      Msgpack({1.0,
               {{"BlockStored", {-3}, nullptr, {1, 2}, 2, nullptr, "CPU", nullptr, nullptr},
                {"BlockRemoved", {-3}, "CPU"},
                {"AllBlocksCleared"}},
               4}));
  ASSERT_EQ(batch.events.size(), 3U);
  const auto& stored = std::get<KvStored>(batch.events[0]);
  EXPECT_EQ(stored.block_hashes.at(0), 18446744073709551613U);
  EXPECT_FALSE(stored.parent_hash);
  EXPECT_EQ(stored.medium, KvMedium::kHost);
  EXPECT_EQ(batch.events[1], KvEvent(KvRemoved{{18446744073709551613U}, KvMedium::kHost}));
  EXPECT_EQ(batch.dp_rank, 4U);
}

TEST(KvEventBatchTest, ALaterTypeIsPassedOverAndNonsenseIsNamed) {
  EXPECT_EQ(DecodeKvEventBatch(Msgpack({1, {{{"type", "BlockPinned"}}}, nullptr})).events.size(),
            0U);
  EXPECT_THAT(WhyNot({{"a", 1}}), HasSubstr("[ts, [events]"));
  EXPECT_THAT(WhyNot({1.0, {{{"no", "type"}}}}), HasSubstr("type"));
  json event{
      {"type", "BlockStored"}, {"block_hashes", {1}}, {"token_ids", {1, 2, 3}}, {"block_size", 2}};
  EXPECT_THAT(WhyNot(json::array({1.0, json::array({event})})),
              HasSubstr("3 token ids for 1 blocks of 2"));
  event["block_size"] = 0;
  EXPECT_THAT(WhyNot(json::array({1.0, json::array({event})})), HasSubstr("block_size"));
  EXPECT_THAT(WhyNot(json::array({1.0, json::array({{{"type", "BlockRemoved"}}})})),
              HasSubstr("block_hashes"));
  EXPECT_THROW(DecodeKvEventBatch(std::string(5000, '\x91')), ProtocolError);
  EXPECT_THROW(DecodeKvEventBatch(""), ProtocolError);
}

TEST(KvSequenceTest, EightBytesBigEndian) {
  EXPECT_EQ(EncodeKvSequence(258), std::string("\0\0\0\0\0\0\1\2", 8));
  EXPECT_EQ(DecodeKvSequence(EncodeKvSequence(18446744073709551615U)), 18446744073709551615U);
  EXPECT_THROW(DecodeKvSequence("1234"), ProtocolError);
}

TEST(RouterEventTest, TheJsonIsTheDocumentedOne) {
  const RouterEvent event = ToRouterEvent(kStored, 9, 3);
  const json j = json::parse(EncodeRouterEvent(event));
  EXPECT_EQ(j["worker_id"], 9);
  EXPECT_EQ(j["storage_tier"], "host_pinned");
  EXPECT_EQ(j["event"]["event_id"], 3);
  EXPECT_EQ(j["event"]["dp_rank"], 0);
  const json& stored = j["event"]["data"]["stored"];
  EXPECT_EQ(stored["parent_hash"], 7);
  EXPECT_TRUE(stored["start_position"].is_null());
  EXPECT_EQ(stored["blocks"][0]["block_hash"], 8026409477313730465U);
  EXPECT_EQ(stored["blocks"][0]["tokens_hash"], 14643705804678351452U);
  EXPECT_EQ(stored["blocks"][1]["tokens_hash"], 16777012769546811212U);
  EXPECT_EQ(json::parse(EncodeRouterEvent(ToRouterEvent(KvCleared{}, 1, 0)))["event"]["data"],
            "cleared");
  for (const KvEvent& e :
       {KvEvent(kStored), KvEvent(KvRemoved{{4}, KvMedium::kDisk}), KvEvent(KvCleared{})}) {
    const RouterEvent routed = ToRouterEvent(e, 1, 2);
    EXPECT_EQ(DecodeRouterEvent(EncodeRouterEvent(routed)), routed);
  }
}

TEST(RouterEventTest, WhatIsMissingIsNamed) {
  EXPECT_THROW(DecodeRouterEvent("{"), ProtocolError);
  EXPECT_THROW(DecodeRouterEvent(std::string(100, '[')), ProtocolError);
  EXPECT_THROW(DecodeRouterEvent(R"({"worker_id":1,"event":{"event_id":1,"data":"gone"}})"),
               ProtocolError);
  EXPECT_THROW(
      DecodeRouterEvent(
          R"({"worker_id":1,"storage_tier":"tape","event":{"event_id":1,"data":"cleared"}})"),
      ProtocolError);
  EXPECT_EQ(DecodeRouterEvent(R"({"worker_id":1,"event":{"event_id":1,"data":"cleared"}})").tier,
            KvMedium::kDevice);
}

TEST(RouterEventTest, TheSubjectOfAComponent) {
  EXPECT_EQ(KvEventSubject("dynamo", "backend"), "namespace.dynamo.component.backend.kv-events");
}

}  // namespace
}  // namespace kvtier
