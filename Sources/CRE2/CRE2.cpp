#include "CRE2.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <vector>

struct cre2_pattern {
  RE2 expression;
  std::map<int, std::string> names;

  cre2_pattern(const re2::StringPiece &text, const RE2::Options &options)
      : expression(text, options), names(expression.ok() ? expression.CapturingGroupNames()
                                                         : std::map<int, std::string>()) {}
};

cre2_pattern *cre2_compile(const char *text, size_t length, int64_t memory_max, char *error, size_t error_size) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(memory_max);
  cre2_pattern *pattern = new (std::nothrow) cre2_pattern(re2::StringPiece(text, length), options);
  if (pattern == nullptr) return nullptr;
  if (pattern->expression.ok()) return pattern;
  if (error_size > 0) {
    const std::string &message = pattern->expression.error();
    size_t count = std::min(error_size - 1, message.size());
    std::memcpy(error, message.data(), count);
    error[count] = '\0';
  }
  delete pattern;
  return nullptr;
}

void cre2_free(cre2_pattern *pattern) { delete pattern; }

bool cre2_full_match(const cre2_pattern *pattern, const char *text, size_t length) {
  return pattern->expression.Match(re2::StringPiece(text, length), 0, length, RE2::ANCHOR_BOTH, nullptr, 0);
}

bool cre2_partial_match(const cre2_pattern *pattern, const char *text, size_t length) {
  return pattern->expression.Match(re2::StringPiece(text, length), 0, length, RE2::UNANCHORED, nullptr, 0);
}

int cre2_group_count(const cre2_pattern *pattern) { return pattern->expression.NumberOfCapturingGroups(); }

const char *cre2_group_name(const cre2_pattern *pattern, int index) {
  auto found = pattern->names.find(index);
  return found == pattern->names.end() ? nullptr : found->second.c_str();
}

bool cre2_captures(const cre2_pattern *pattern, const char *text, size_t length, size_t start, bool anchored,
                   ptrdiff_t *bounds, int group_count) {
  std::vector<re2::StringPiece> groups(group_count);
  bool matched = pattern->expression.Match(re2::StringPiece(text, length), start, length,
                                           anchored ? RE2::ANCHOR_BOTH : RE2::UNANCHORED, groups.data(), group_count);
  if (!matched) return false;
  for (int i = 0; i < group_count; i++) {
    bool took_part = groups[i].data() != nullptr;
    bounds[2 * i] = took_part ? groups[i].data() - text : -1;
    bounds[2 * i + 1] = took_part ? groups[i].data() - text + static_cast<ptrdiff_t>(groups[i].size()) : -1;
  }
  return true;
}
