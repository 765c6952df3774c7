#include "harness/net/kv_events_zmq.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zmq.hpp>

#include "harness/core/error.hpp"
#include "harness/core/reserved_port.hpp"

namespace kvtier {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::chrono::seconds kLimit{20};

KvEventBatch Numbered(std::uint64_t n) {
  return {.timestamp_s = 1, .events = {KvRemoved{{n}, KvMedium::kDevice}}, .dp_rank = std::nullopt};
}

/// Keeps what a subscriber tells.
struct Heard {
  KvEventSubscriber::Callbacks Callbacks() {
    return {.on_batch =
                [this](std::uint64_t sequence, const KvEventBatch& batch) {
                  const std::scoped_lock lock(mutex);
                  EXPECT_EQ(std::get<KvRemoved>(batch.events.at(0)).block_hashes.at(0), sequence);
                  sequences.push_back(sequence);
                },
            .on_lost =
                [this](std::uint64_t first, std::uint64_t last, const std::string&) {
                  const std::scoped_lock lock(mutex);
                  for (std::uint64_t s = first; s <= last; ++s) lost.push_back(s);
                },
            .on_gap = [this](std::uint64_t) { ++gaps; }};
  }
  std::mutex mutex;
  std::vector<std::uint64_t> sequences, lost;
  std::atomic<int> gaps{0};
};

/// Waits until all `published` batches have left: who subscribes from now on hears none of them.
bool HaveLeft(const KvEventPublisher& publisher, std::uint64_t published) {
  Heard witness;
  KvEventSubscriber subscriber(publisher.endpoint(), publisher.replay_endpoint(),
                               witness.Callbacks());
  return subscriber.CatchUp(published, kLimit);
}

std::vector<std::string> ReceiveAll(zmq::socket_t& socket) {
  std::vector<std::string> frames;
  socket.set(zmq::sockopt::rcvtimeo, 20000);
  for (;;) {
    zmq::message_t message;
    if (!socket.recv(message)) break;
    frames.push_back(message.to_string());
    if (!message.more()) break;
  }
  return frames;
}

TEST(KvEventPublisherTest, TheReplayIsFramesAndAnEmptyEnd) {
  KvEventPublisher publisher({});
  for (std::uint64_t n = 0; n < 3; ++n) EXPECT_EQ(publisher.Publish(Numbered(n)), n);
  zmq::context_t context;
  zmq::socket_t asker(context, zmq::socket_type::dealer);
  asker.set(zmq::sockopt::linger, 0);
  asker.connect(publisher.replay_endpoint());
  asker.send(zmq::str_buffer(""), zmq::send_flags::sndmore);
  asker.send(zmq::buffer(EncodeKvSequence(1)), zmq::send_flags::none);
  for (std::uint64_t n = 1; n < 3; ++n) {
    const auto frames = ReceiveAll(asker);
    ASSERT_EQ(frames.size(), 4U);
    EXPECT_EQ(frames[0], "");
    EXPECT_EQ(frames[1], "");
    EXPECT_EQ(DecodeKvSequence(frames[2]), n);
    EXPECT_EQ(DecodeKvEventBatch(frames[3]).events, Numbered(n).events);
  }
  const auto end = ReceiveAll(asker);
  ASSERT_EQ(end.size(), 4U);
  EXPECT_EQ(end[3], "");
}

TEST(KvEventPublisherTest, LiveMessagesAreThreeFrames) {
  KvEventPublisher publisher({});
  zmq::context_t context;
  zmq::socket_t sub(context, zmq::socket_type::sub);
  sub.set(zmq::sockopt::subscribe, "");
  sub.connect(publisher.endpoint());
  // A subscription takes effect some time after connect: publish until one arrives.
  sub.set(zmq::sockopt::rcvtimeo, 5);
  std::vector<std::string> frames;
  for (std::uint64_t n = 0; n < 4000 && frames.empty(); ++n) {
    publisher.Publish(Numbered(n));
    zmq::message_t message;
    if (!sub.recv(message)) continue;
    frames.push_back(message.to_string());
    while (message.more() && sub.recv(message)) frames.push_back(message.to_string());
  }
  ASSERT_EQ(frames.size(), 3U);
  EXPECT_EQ(frames[0], "");
  EXPECT_EQ(DecodeKvEventBatch(frames[2]).events, Numbered(DecodeKvSequence(frames[1])).events);
}

TEST(KvEventSubscriberTest, WhoeverComesLateGetsEverything) {
  KvEventPublisher publisher({});
  for (std::uint64_t n = 0; n < 5; ++n) publisher.Publish(Numbered(n));
  Heard heard;
  KvEventSubscriber subscriber(publisher.endpoint(), publisher.replay_endpoint(),
                               heard.Callbacks());
  ASSERT_TRUE(subscriber.CatchUp(5, kLimit));
  for (std::uint64_t n = 5; n < 200; ++n) publisher.Publish(Numbered(n));
  ASSERT_TRUE(subscriber.CatchUp(200, kLimit));
  EXPECT_EQ(subscriber.next_sequence(), 200U);
  ASSERT_EQ(heard.sequences.size(), 200U);
  for (std::uint64_t n = 0; n < 200; ++n) EXPECT_EQ(heard.sequences[n], n);
  EXPECT_THAT(heard.lost, IsEmpty());
}

TEST(KvEventSubscriberTest, WhatTheReplayNoLongerKeepsIsToldAsLost) {
  KvEventPublisher publisher({.kept_batches = 2});
  for (std::uint64_t n = 0; n < 5; ++n) publisher.Publish(Numbered(n));
  ASSERT_TRUE(HaveLeft(publisher, 5));
  Heard heard;
  KvEventSubscriber subscriber(publisher.endpoint(), publisher.replay_endpoint(),
                               heard.Callbacks());
  ASSERT_TRUE(subscriber.CatchUp(5, kLimit));
  EXPECT_THAT(heard.lost, ElementsAre(0, 1, 2));
  EXPECT_THAT(heard.sequences, ElementsAre(3, 4));
}

TEST(KvEventSubscriberTest, APublisherThatComesUpLaterIsWaitedFor) {
  const ReservedPort port, replay_port;
  Heard heard;
  KvEventSubscriber subscriber("tcp://127.0.0.1:" + port.text(),
                               "tcp://127.0.0.1:" + replay_port.text(), heard.Callbacks());
  KvEventPublisher publisher({.port = port.number(), .replay_port = replay_port.number()});
  publisher.Publish(Numbered(0));
  EXPECT_TRUE(subscriber.CatchUp(1, kLimit));
  EXPECT_THAT(heard.sequences, ElementsAre(0));
}

TEST(KvEventSubscriberTest, WaitingForWhatNeverComesEnds) {
  KvEventPublisher publisher({});
  Heard heard;
  KvEventSubscriber subscriber(publisher.endpoint(), publisher.replay_endpoint(),
                               heard.Callbacks());
  EXPECT_FALSE(subscriber.CatchUp(1, std::chrono::milliseconds(20)));
  publisher.Publish(Numbered(0));
  EXPECT_TRUE(subscriber.CatchUp(1, kLimit));
}

TEST(KvEventSubscriberTest, AnEndpointThatIsNoneIsNamed) {
  EXPECT_THROW(KvEventSubscriber("nonsense", "", {}), IoError);
}

/// A live stream that a test writes by hand.
struct HandMadeStream : testing::Test {
  HandMadeStream() : pub(context, zmq::socket_type::pub) {
    pub.set(zmq::sockopt::linger, 0);
    pub.bind("tcp://127.0.0.1:*");
    endpoint = pub.get(zmq::sockopt::last_endpoint);
  }
  void Say(std::uint64_t sequence, const std::string& payload) {
    pub.send(zmq::str_buffer(""), zmq::send_flags::sndmore);
    pub.send(zmq::buffer(EncodeKvSequence(sequence)), zmq::send_flags::sndmore);
    pub.send(zmq::buffer(payload), zmq::send_flags::none);
  }
  void Say(std::uint64_t sequence) { Say(sequence, EncodeKvEventBatch(Numbered(sequence))); }
  /// Says it until it is heard: a subscription takes its time.
  bool SayUntil(std::uint64_t sequence, const KvEventSubscriber& subscriber) {
    for (int i = 0; i < 20000 && subscriber.next_sequence() <= sequence; ++i) {
      Say(sequence);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return subscriber.next_sequence() > sequence;
  }
  zmq::context_t context;
  zmq::socket_t pub;
  std::string endpoint;
};

TEST_F(HandMadeStream, AGapIsFilledFromTheReplay) {
  KvEventPublisher replay({});
  for (std::uint64_t n = 0; n < 3; ++n) replay.Publish(Numbered(n));
  Heard heard;
  KvEventSubscriber subscriber(endpoint, replay.replay_endpoint(), heard.Callbacks());
  ASSERT_TRUE(subscriber.CatchUp(3, kLimit));
  // Of each three the last is said, the others never. A question that is still open may answer
  // them before the gap is seen, so one round need not show it.
  std::uint64_t next = 3;
  for (; heard.gaps == 0 && next < 150; next += 3) {
    for (std::uint64_t n = next; n < next + 3; ++n) replay.Publish(Numbered(n));
    ASSERT_TRUE(SayUntil(next + 2, subscriber));
  }
  EXPECT_GE(heard.gaps, 1);
  ASSERT_EQ(heard.sequences.size(), next);
  for (std::uint64_t n = 0; n < next; ++n) EXPECT_EQ(heard.sequences[n], n);
  EXPECT_THAT(heard.lost, IsEmpty());
}

TEST_F(HandMadeStream, WithoutAReplayAGapIsALoss) {
  Heard heard;
  KvEventSubscriber subscriber(endpoint, "", heard.Callbacks());
  ASSERT_TRUE(SayUntil(2, subscriber));
  EXPECT_THAT(heard.lost, ElementsAre(0, 1));
  EXPECT_THAT(heard.sequences, ElementsAre(2));
}

TEST_F(HandMadeStream, ABatchThatCannotBeReadIsALoss) {
  Heard heard;
  KvEventSubscriber subscriber(endpoint, "", heard.Callbacks());
  ASSERT_TRUE(SayUntil(0, subscriber));
  Say(1, "no msgpack");
  Say(2);
  ASSERT_TRUE(subscriber.CatchUp(3, kLimit));
  EXPECT_THAT(heard.lost, ElementsAre(1));
  EXPECT_THAT(heard.sequences, ElementsAre(0, 2));
}

}  // namespace
}  // namespace kvtier
