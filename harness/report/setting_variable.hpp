#pragma once
#include <string>

namespace kvtier {

/// The environment variable of a setting: KVTIER_STACK_PRESET for "stack.preset".
inline std::string VariableOf(const std::string& key) {
  std::string name = "KVTIER_";
  for (const char c : key)
    name += c == '.' ? '_' : (c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c);
  return name;
}

}  // namespace kvtier
