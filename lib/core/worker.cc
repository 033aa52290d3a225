#include "core/worker.h"

#include <array>

namespace stargazer {
namespace {

struct Step {
  WorkerState next;
  WorkerAction action;
};

using Row = std::array<Step, kWorkerEventCount>;

constexpr WorkerState kR = WorkerState::kRunning;
constexpr WorkerState kS = WorkerState::kStopping;
constexpr WorkerState kK = WorkerState::kKilling;
constexpr WorkerState kD = WorkerState::kDraining;
constexpr WorkerState kF = WorkerState::kFinished;
constexpr WorkerAction kNone = WorkerAction::kNone;
constexpr WorkerAction kTerm = WorkerAction::kTerminate;
constexpr WorkerAction kKill = WorkerAction::kKill;
constexpr WorkerAction kDrain = WorkerAction::kStartDraining;
constexpr WorkerAction kGive = WorkerAction::kGiveUpOutput;
constexpr WorkerAction kDone = WorkerAction::kFinish;

// Columns: stop asked, kill asked, grace over, exited, channel closed, drain over.
constexpr std::array<Row, kWorkerStateCount> kTable{{
    /* running  */ {{{kS, kTerm}, {kK, kKill}, {kR, kNone}, {kD, kDrain}, {kR, kNone}, {kR, kNone}}},
    /* stopping */ {{{kS, kNone}, {kK, kKill}, {kK, kKill}, {kD, kDrain}, {kS, kNone}, {kS, kNone}}},
    /* killing  */ {{{kK, kNone}, {kK, kNone}, {kK, kNone}, {kD, kDrain}, {kK, kNone}, {kK, kNone}}},
    /* draining */ {{{kD, kNone}, {kD, kNone}, {kD, kNone}, {kD, kNone}, {kF, kDone}, {kD, kGive}}},
    /* finished */ {{{kF, kNone}, {kF, kNone}, {kF, kNone}, {kF, kNone}, {kF, kNone}, {kF, kNone}}},
}};
static_assert(kTable.size() == static_cast<std::size_t>(WorkerState::kFinished) + 1);
static_assert(std::tuple_size_v<Row> == static_cast<std::size_t>(WorkerEvent::kDrainOver) + 1);

}  // namespace

WorkerAction Worker::on(WorkerEvent event) {
  if (event == WorkerEvent::kChannelClosed) channel_closed_ = true;
  Step step = kTable[static_cast<std::size_t>(state_)][static_cast<std::size_t>(event)];
  // The channel may close first; the exit is then the end.
  if (event == WorkerEvent::kExited && alive() && channel_closed_)
    step = {WorkerState::kFinished, WorkerAction::kFinish};
  state_ = step.next;
  return step.action;
}

}  // namespace stargazer
