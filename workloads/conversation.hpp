#pragma once
#include <string>
#include <string_view>

#include "workloads/prompt_maker.hpp"

namespace kvtier {

/// One session whose prompts carry everything that was said before. What the assistant says is
/// scripted, not what the server answered, so that the plan is the same for every server; each
/// prompt begins with the whole of the one before it, assistant header included.
class Conversation {
 public:
  /// `maker` must outlive it. `opening` is what the first prompt begins with, block-aligned where
  /// sessions share it.
  Conversation(const PromptMaker& maker, std::string opening, std::string session_id);
  /// The next turn: all that was said, then `question`. session_id, turn, prefix_hash and
  /// shared_prefix_tokens_est (tokens that an earlier prompt, or another session, had) are filled.
  PlannedRequest Ask(std::string question);
  /// What was asked last gets this answer, and `then` opens the next user turn.
  void Answer(std::string_view scripted, std::string_view then);
  int turns() const { return turns_; }

 private:
  const PromptMaker& maker_;
  std::string said_;     // user text of the next prompt up to its question
  std::string pending_;  // the last question as it was sent
  std::string session_id_, prefix_hash_;
  int shared_tokens_;
  int turns_ = 0;
};

}  // namespace kvtier
