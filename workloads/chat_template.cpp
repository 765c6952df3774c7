#include "workloads/chat_template.hpp"

#include <fmt/format.h>

#include "harness/core/error.hpp"

namespace kvtier {

std::string ChatTemplate::Wrap(std::string_view user_text) const {
  std::string prompt;
  prompt.reserve(before_user.size() + user_text.size() + after_user.size());
  return prompt.append(before_user).append(user_text).append(after_user);
}

const ChatTemplate& ChatTemplateNamed(std::string_view name) {
  static const ChatTemplate llama3{
      .name = "llama3",
      .before_user = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
      .after_user = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
      .next_user = "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
  };
  if (name == llama3.name) return llama3;
  throw ConfigError(fmt::format("unknown chat template '{}': known is llama3", name));
}

}  // namespace kvtier
