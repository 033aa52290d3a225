#include "feed/feed_report.h"

#include <utility>

#include "core/time.h"

namespace stargazer {

FeedReport::FeedReport(Sink sink, std::string redis) : sink_(std::move(sink)), redis_(std::move(redis)) {}

void FeedReport::say(Priority priority, const std::string& text) {
  sink_({priority, "journal feed: " + text, {}});
}

void FeedReport::started(const FeedConfig& config) {
  std::string units;
  for (const std::string& unit : config.units) units += (units.empty() ? "" : ", ") + unit;
  const std::string source = config.directory.empty() ? "the journal of this boot" : config.directory;
  say(Priority::kInfo, "publishes " + units + " of " + source + " to " + config.channel + " on redis " + redis_);
}

void FeedReport::stopped(const FeedCounters& counters) {
  std::string text = "stopped; published " + std::to_string(counters.entries_published) + " entries of " +
                     std::to_string(counters.bytes_published) + " bytes in " +
                     std::to_string(counters.batches_published) + " batches; left out " +
                     std::to_string(counters.entries_filtered) + ", unreadable " +
                     std::to_string(counters.entries_skipped) + ", gaps " + std::to_string(counters.gaps) +
                     ", failures of redis " + std::to_string(counters.redis_failures);
  if (!counters.last_cursor.empty()) text += "; the last one was " + counters.last_cursor;
  say(Priority::kInfo, text);
}

bool FeedReport::note_failure(std::optional<Outage>& outage, const Error& error) {
  const auto now = Clock::now();
  const bool first = !outage.has_value();
  if (first) outage = Outage{now, now, ""};
  if (!first && (outage->cause == error.message() || now < outage->said + kRepeatAfter)) return false;
  outage->said = now;
  outage->cause = error.message();
  return true;
}

void FeedReport::redis_failed(const Error& error) {
  if (!note_failure(redis_outage_, error)) return;
  say(Priority::kWarning,
      "redis " + redis_ + ": " + error.message() + "; trying again until it works, the journal keeps the entries");
}

void FeedReport::redis_works() {
  if (!redis_outage_) return;
  const Duration lasted = Clock::now() - redis_outage_->since;
  redis_outage_.reset();
  say(Priority::kNotice, "redis " + redis_ + " works again after " + approximate_duration(lasted) +
                             "; going on after the last entry that it confirmed");
}

void FeedReport::journal_failed(const Error& error) {
  if (!note_failure(journal_outage_, error)) return;
  say(Priority::kWarning, error.message() + "; looking again every 2 s");
}

void FeedReport::journal_works() {
  if (!std::exchange(journal_outage_, std::nullopt)) return;
  say(Priority::kNotice, "the journal can be read; publishing");
}

void FeedReport::position_kept(const Status& status) {
  if (!status) {
    if (!note_failure(position_outage_, status.error())) return;
    say(Priority::kWarning, "the position cannot be kept: " + status.error().message() +
                                "; trying again every second, a restart would repeat entries");
  } else if (std::exchange(position_outage_, std::nullopt)) {
    say(Priority::kNotice, "the position is kept again");
  }
}

void FeedReport::gap(const Gap& gap) {
  const auto now = Clock::now();
  if (gap_said_ && now < *gap_said_ + kRepeatAfter) {
    ++gaps_unsaid_;
    return;
  }
  gap_said_ = now;
  const std::string most = gap.entries_max == 0 ? "an unknown number of" : "at most " + std::to_string(gap.entries_max);
  std::string text = "journal feed: a gap: " + most + " entries were lost before they were read: " + gap.reason;
  if (gaps_unsaid_ > 0) text += " (and " + std::to_string(gaps_unsaid_) + " gaps before it that were not said)";
  gaps_unsaid_ = 0;
  sink_({Priority::kWarning,
         std::move(text),
         {{"STARGAZER_EVENT", "feed_gap"},
          {"ENTRIES_MAX", std::to_string(gap.entries_max)},
          {"AFTER_CURSOR", gap.after_cursor},
          {"NEXT_CURSOR", gap.next_cursor},
          {"REASON", gap.reason}}});
}

void FeedReport::trouble(const char* kind, const std::string& text) {
  const auto now = Clock::now();
  const auto [said, first] = said_.try_emplace(kind, now);
  if (!first && now < said->second + kRepeatAfter) return;
  said->second = now;
  say(Priority::kWarning, text);
}

}  // namespace stargazer
