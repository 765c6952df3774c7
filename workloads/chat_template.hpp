#pragma once
#include <string>
#include <string_view>

namespace kvtier {

/// The marks around one user turn. A document is sized first and wrapped afterwards: nothing is
/// ever added behind the assistant header (spec/defects.md A11).
struct ChatTemplate {
  std::string name;
  std::string before_user;  // ends where the user's text begins
  std::string after_user;   // ends where the answer begins
  std::string next_user;    // between an answer and the user's next text
  std::string Wrap(std::string_view user_text) const;
};

/// "llama3", the only template so far: it is sent to every model, as the runbook does
/// (spec/workloads.md section 4.2). Throws ConfigError with the known names.
const ChatTemplate& ChatTemplateNamed(std::string_view name);

}  // namespace kvtier
