#include <algorithm>

#include <fmt/format.h>
#include <sys/timerfd.h>

#include "harness/net/completion_loop.hpp"

// What is due when. A plan without followers costs nothing here but a cursor; one with them costs
// the logarithm of those that wait at the same time, for each.

namespace kvtier {

void CompletionClient::Loop::Followers::Reset(std::span<const WireRequest> requests) {
  requests_ = requests;
  first_.clear();
  next_.clear();
  due_ = {};
  later_ = {};
  // Backwards, so that each list has the order of the span.
  for (std::size_t i = requests.size(); i-- > 0;) {
    if (!requests[i].after) continue;
    const std::size_t before = *requests[i].after;
    if (before >= i || requests.size() >= kNobody || requests[i].think_ns < 0) {
      throw ConfigError(
          fmt::format("request {} of {} follows request {} after {} ns: it can only follow an "
                      "earlier one, after 0 ns or more",
                      i, requests.size(), before, requests[i].think_ns));
    }
    if (first_.empty()) {
      first_.assign(requests.size(), kNobody);
      next_.assign(requests.size(), kNobody);
    }
    next_[i] = first_[before];
    first_[before] = static_cast<std::uint32_t>(i);
  }
}

void CompletionClient::Loop::Followers::Release(std::size_t index, MonoNs at, MonoNs start) {
  if (first_.empty()) return;
  for (std::uint32_t i = first_[index]; i != kNobody; i = next_[i]) {
    const WireRequest& request = requests_[i];
    MonoNs moment = request.think_ns < kNever - at ? at + request.think_ns : kNever;
    if (request.send_offset_ns) moment = std::max(moment, start + *request.send_offset_ns);
    later_.push({i, moment});
  }
}

const CompletionClient::Loop::Due* CompletionClient::Loop::Followers::First(MonoNs now) {
  for (; !later_.empty() && later_.top().at <= now; later_.pop()) due_.push(later_.top());
  return due_.empty() ? nullptr : &due_.top();
}

void CompletionClient::Loop::Followers::Pop() {
  due_.pop();
}

MonoNs CompletionClient::Loop::Followers::NextMoment() const {
  return later_.empty() ? kNever : later_.top().at;
}

std::optional<CompletionClient::Loop::Due> CompletionClient::Loop::TakeDue() {
  while (next_ < requests_.size() && requests_[next_].after) ++next_;
  std::optional<Due> own;  // the next that follows nobody
  if (next_ < requests_.size()) {
    const auto& offset = requests_[next_].send_offset_ns;
    own = Due{next_, offset ? self_.start + *offset : 0};
  }
  const bool clock = !followers_.empty() || (own && own->at > 0);
  const MonoNs now = clock ? NowMono() : 0;
  const Due* const follower = followers_.empty() ? nullptr : followers_.First(now);
  const bool own_is_due = own && own->at <= now;
  if (follower != nullptr && (!own_is_due || follower->index < own->index)) {
    const Due due = *follower;
    followers_.Pop();
    return due;
  }
  if (own_is_due) {
    ++next_;
    return own;
  }
  const MonoNs moment = std::min(own ? own->at : kNever, followers_.NextMoment());
  if (moment != kNever) ArmSendTimer(moment);
  return std::nullopt;
}

void CompletionClient::Loop::ArmSendTimer(MonoNs at) {
  itimerspec once{};
  once.it_value = {at / 1'000'000'000, at % 1'000'000'000};
  timerfd_settime(send_timer_.get(), TFD_TIMER_ABSTIME, &once, nullptr);
}

}  // namespace kvtier
