#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "maskbus/result.hpp"
#include "maskbus/shm/process.hpp"

namespace maskbus::shm {

/// What parent and child ring when they have put something into a slot (SPEC.md, section 18): a DEALER, or two named
/// events of Windows.
class ChildBell {
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// What a wait ended with.
    struct Heard {
        enum class What { rung, ended, timeout } what = What::timeout;
        /// What it was rung for; none where an event cannot say.
        std::optional<std::uint64_t> generation = std::nullopt;
    };

    /// Reach the child's bell at `address`, as its ready line has it. Error: `protocol` where that is no bell of here.
    [[nodiscard]] static Result<std::unique_ptr<ChildBell>> connect(const std::string& address,
                                                                    const std::array<std::uint8_t, 16>& token);

    ChildBell() = default;
    ChildBell(const ChildBell&) = delete;
    ChildBell& operator=(const ChildBell&) = delete;
    virtual ~ChildBell() = default;

    /// Ring for a request of this generation. Never waits.
    virtual void ring(std::uint64_t generation) = 0;

    /// Wait for the child's ring, its end, or the time. What was rung without the token is not heard.
    [[nodiscard]] virtual Heard wait(Process& process, TimePoint until) = 0;
};

namespace detail {

[[nodiscard]] Result<std::unique_ptr<ChildBell>> connect_socket_bell(const std::string& address,
                                                                     const std::array<std::uint8_t, 16>& token);
/// `name`: without "events:". Error: `protocol` where there are none, as everywhere but on Windows.
[[nodiscard]] Result<std::unique_ptr<ChildBell>> open_events_bell(const std::string& name);

}  // namespace detail
}  // namespace maskbus::shm
