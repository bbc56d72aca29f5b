#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "maskbus/result.hpp"

namespace maskbus::codes {

/// The node that was started as a child has ended, or did not come up. `Child::restart` starts another one.
inline constexpr const char* child_died = "child_died";

}  // namespace maskbus::codes

/// The node that was started as a child, as the operating system sees it. Each system has its own source file.
namespace maskbus::shm {

/// A process of ours, with a pipe to its standard input and one from its standard output; its standard error is ours.
///
/// It ends at the latest with this object: nothing is left of it, no zombie either.
class Process {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// Start a program. `command[0]` is looked for as a shell would; all of it is UTF-8. Error: `child_died`.
    [[nodiscard]] static Result<Process> start(const std::vector<std::string>& command);

    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    /// As `end` with five seconds.
    ~Process();

    /// Return the first line that it prints, without its end. Errors: `child_died` where it ends, prints something of
    /// more than 64 KiB, or has not printed a line until then.
    [[nodiscard]] Result<std::string> read_line(TimePoint until);

    /// Return whether it has ended, without waiting; what it has printed is thrown away.
    [[nodiscard]] bool has_ended();

    /// Say how it ended, such as "exited with code 1"; empty while it has not.
    [[nodiscard]] const std::string& ending() const noexcept;

    /// Have it end: close its standard input, wait for as long as `patience`, then end it by force. Does nothing again.
    void end(std::chrono::milliseconds patience);

    /// Number of the process.
    [[nodiscard]] std::int64_t pid() const noexcept;

    /// What becomes readable when the process ends, for zmq_poll; -1 where there is no such thing (any more).
    [[nodiscard]] int output() const noexcept;

    struct State;

private:
    explicit Process(std::unique_ptr<State> state) noexcept;

    std::unique_ptr<State> state_;
};

namespace detail {

/// Return the one text that Windows makes `command` of again, by the rules that programs split theirs by.
[[nodiscard]] std::string windows_command_line(const std::vector<std::string>& command);

}  // namespace detail
}  // namespace maskbus::shm
