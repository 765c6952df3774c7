#include "workloads/conversation.hpp"

#include <utility>

#include "harness/core/files.hpp"

namespace kvtier {

Conversation::Conversation(const PromptMaker& maker, std::string opening, std::string session_id)
    : maker_(maker),
      said_(std::move(opening)),
      session_id_(std::move(session_id)),
      prefix_hash_(Sha256Hex(said_)) {
  const TokenCounter& counter = maker_.options().counter;
  shared_tokens_ = counter.Count(maker_.wrapper().before_user) + counter.Count(said_);
}

PlannedRequest Conversation::Ask(std::string question) {
  PlannedRequest r = maker_.Request(said_, std::move(question));
  const ChatTemplate& wrapper = maker_.wrapper();
  const std::size_t from = wrapper.before_user.size() + said_.size();
  pending_ = r.prompt.substr(from, r.prompt.size() - wrapper.after_user.size() - from);
  r.session_id = session_id_;
  r.prefix_hash = prefix_hash_;
  r.metadata.session_turn_index = ++turns_;
  r.metadata.shared_prefix_tokens_est = shared_tokens_;
  shared_tokens_ = r.prompt_tokens_est;
  return r;
}

void Conversation::Answer(std::string_view scripted, std::string_view then) {
  const ChatTemplate& wrapper = maker_.wrapper();
  said_.append(pending_).append(wrapper.after_user).append(scripted).append(wrapper.next_user);
  said_.append(then);
  pending_.clear();
}

}  // namespace kvtier
