"""One radio world in plain loops over Python numbers, written from the model's formulas and not from the kernels."""

import math

WORD = 2**64 - 1
HALF_WORD = 2**32 - 1
RESET, HOT_SPOT, MOTION, TURN, ARRIVALS, BURSTS, FADING = range(7)
TURNS = [sign * math.pi / part for sign, part in ((-1, 3), (-1, 6), (-1, 12))] + [0.0]
TURNS += [math.pi / 12, math.pi / 6, math.pi / 3]
SPLIT = (0.2, 0.5, 0.3)
WEIGHTS = (1.0, 0.5, 2.0)


def split(key, index):
    mixed = (key + 0x9E3779B97F4A7C15 * (index + 1)) & WORD
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & WORD
    return mixed ^ (mixed >> 31)


def uniform(key, index):
    return (split(key, index) >> 11) / 2**53


def poisson(key, index, mean):
    left, probability, count = uniform(key, index), math.exp(-mean), 0
    while left >= probability:
        left -= probability
        count += 1
        probability *= mean / count
    return count


def exponential(key, index):
    x = (index * 0x9E3779B9 + (key & HALF_WORD)) & HALF_WORD
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & HALF_WORD
    x = (x ^ (x >> 15)) ^ (key >> 32)
    x = (x * 0x846CA68B) & HALF_WORD
    x ^= x >> 16
    return -math.log(((x >> 8) + 0.5) / 2**24)


class LoopWorld:
    """The world of one replica; `cells` are the O-DUs' positions, `loads` the profile's factors [M][3]."""

    def __init__(self, cells, area, n_ues, seed, loads, replica=0):
        self.cells, self.area, self.n_ues, self.loads = cells, area, n_ues, loads
        self.n_dus, self.n_rbs, self.n_blocks = len(cells), 100, 25
        sizes = [round(share * n_ues) for share in SPLIT]
        self.kind = [0] * sizes[0] + [1] * sizes[1] + [2] * sizes[2]
        self.episode = split(split(seed, 0), replica)
        self.key = split(self.episode, 0)
        self.activity = [[1.0] * self.n_blocks for _ in cells]
        self.min_qos = (10.0, 50.0 / self.n_dus, 2.0)
        self._place()
        self._arrive()

    def _place(self):
        key, burst_key = split(self.episode, RESET), split(self.episode, HOT_SPOT)
        self.at, self.heading, self.speed, self.queue = [], [], [], []
        for ue in range(self.n_ues):
            own = split(key, ue)
            self.at.append((uniform(own, 0) * self.area[0], uniform(own, 1) * self.area[1]))
            self.heading.append(2 * math.pi * uniform(own, 5))
            self.speed.append(10 + 10 * uniform(own, 6))
            self.queue.append(1e6 * uniform(own, 8) if self.kind[ue] == 0 and uniform(own, 7) < 0.3 else 0.0)
        self.burst = [
            [(0.4, 1.0, 1.8)[int(3 * uniform(burst_key, 1 + 3 * du + kind))] for kind in range(3)] for du in range(self.n_dus)
        ]

    def _distance(self, ue, du):
        return max(math.hypot(self.at[ue][0] - self.cells[du][0], self.at[ue][1] - self.cells[du][1]), 10.0)

    def _arrive(self):
        """Association, arrivals, fading, estimates."""
        self.serving = [min(range(self.n_dus), key=lambda du: (self._distance(ue, du), du)) for ue in range(self.n_ues)]
        key = split(self.key, ARRIVALS)
        for ue in range(self.n_ues):
            du, kind = self.serving[ue], self.kind[ue]
            factor = self.loads[du][kind] * self.burst[du][kind]
            if kind == 0:
                self.queue[ue] = min(self.queue[ue] + (1e6 if uniform(key, ue) < 0.06 * factor else 0.0), 4e6)
            elif kind == 1:
                self.queue[ue] = min(self.queue[ue] + (8e3 if uniform(key, ue) < min(1.0, 0.35 * factor) else 0.0), 64e3)
            else:
                self.queue[ue] += 3e3 * poisson(key, ue, 0.5 * factor)
        self.members = [
            [
                [ue for ue in range(self.n_ues) if self.queue[ue] > 0 and self.serving[ue] == du and self.kind[ue] == kind]
                for kind in range(3)
            ]
            for du in range(self.n_dus)
        ]
        self.power = {ue: self._received(ue) for groups in self.members for group in groups for ue in group}
        self.estimate = {ue: self._estimated(ue) for ue in self.power}
        self.mean_rate = {ue: sum(rates) / self.n_blocks for ue, rates in self.estimate.items()}

    def _received(self, ue):
        own = split(split(self.key, FADING), ue)
        rb_w = 10 ** ((56 - 30) / 10) / self.n_rbs
        return [
            [
                rb_w
                * 10 ** (-(15.3 + 37.6 * math.log10(self._distance(ue, du))) / 10)
                * exponential(own, du * self.n_blocks + block)
                for block in range(self.n_blocks)
            ]
            for du in range(self.n_dus)
        ]

    def _rate(self, ue, block, on_air):
        """Rate of one RB if each other O-DU sends with `on_air[du]` of its power."""
        own, noise_w = self.serving[ue], 10 ** ((-173 - 30) / 10) * 200e3
        interference_w = sum(on_air[du] * self.power[ue][du][block] for du in range(self.n_dus) if du != own)
        return 200e3 * min(math.log2(1 + self.power[ue][own][block] / (interference_w + noise_w)), 7.4)

    def _estimated(self, ue):
        return [self._rate(ue, block, [row[block] for row in self.activity]) for block in range(self.n_blocks)]

    def needs(self, du):
        embb, mmtc, urllc = self.members[du]
        rate = {ue: max(self.mean_rate[ue], 1e3) for ue in embb + mmtc + urllc}
        result = [0.0, 0.0, sum(math.ceil(self.queue[ue] / (1.5e-3 * rate[ue])) for ue in urllc)]
        if embb:
            result[0] = len(embb) * 10e6 / (sum(rate[ue] for ue in embb) / len(embb))
        if mmtc:
            mean = sum(rate[ue] for ue in mmtc) / len(mmtc)
            result[1] = max(self.min_qos[1] * 1e6 / mean, sum(math.ceil(0.2e6 / rate[ue]) for ue in mmtc))
        return result

    def step(self, quotas, betas=None):
        """Quotas [M][3]; exponents [M][2], None for round robin in all slices. Returns rewards [M] and QoS [M][3]."""
        given = []
        for du in range(self.n_dus):
            position = [(self.n_rbs * du // self.n_dus + index) % self.n_rbs for index in range(self.n_rbs)]
            first = 0
            taken = {}
            for kind in range(3):
                rbs = sorted(position[first : first + quotas[du][kind]])
                first += quotas[du][kind]
                if self.members[du][kind]:
                    taken |= self._schedule(du, kind, rbs, None if betas is None else (*betas[du], 0.0)[kind])
            given.append(taken)
        rewards, qos = [], []
        rates = dict.fromkeys(self.power, 0.0)
        for du in range(self.n_dus):
            for rb, ue in given[du].items():
                rates[ue] += self._rate(ue, rb // 4, [1.0 if rb in taken else 0.0 for taken in given])
        for du in range(self.n_dus):
            reward, values = self._reward(du, rates)
            rewards.append(reward)
            qos.append(values)
        self.activity = [[sum(4 * block + k in taken for k in range(4)) / 4 for block in range(self.n_blocks)] for taken in given]
        self.given, self.rates = given, rates
        return rewards, qos

    def _schedule(self, du, kind, rbs, beta):
        ues = self.members[du][kind]
        if beta is None:
            return {rb: ues[index % len(ues)] for index, rb in enumerate(rbs)}
        taken, assigned = {}, dict.fromkeys(ues, 0.0)

        def priority(ue):
            if kind == 2:
                return self.queue[ue] / (assigned[ue] + 1e3)
            starved = 1e6 if kind == 1 and assigned[ue] < 0.2e6 else 1.0
            return starved * self.mean_rate[ue] ** (2 * beta) / (assigned[ue] + 1e3)

        for _ in rbs:
            ue = max(ues, key=lambda ue: (priority(ue), -ue))
            free = {rb // 4 for rb in rbs if rb not in taken}
            block = max(free, key=lambda block: (self.estimate[ue][block], -block))
            taken[min(rb for rb in rbs if rb not in taken and rb // 4 == block)] = ue
            assigned[ue] += self.estimate[ue][block]
        return taken

    def _reward(self, du, rates):
        embb, mmtc, urllc = self.members[du]
        values, shares, deficits = [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
        if embb:
            values[0] = sum(rates[ue] for ue in embb) / len(embb) / 1e6
        if mmtc:
            values[1] = sum(rates[ue] for ue in mmtc) / 1e6 * sum(rates[ue] >= 0.2e6 for ue in mmtc) / len(mmtc)
        if urllc:
            values[2] = max(min(0.5 + 1e3 * self.queue[ue] / max(rates[ue], 1.0), 10.0) for ue in urllc)
        for kind, members in enumerate(self.members[du]):
            if members:
                ratio = values[kind] / self.min_qos[kind]
                shares[kind] = min(max(1 - ratio / 2 if kind == 2 else ratio / 2, 0.0), 1.0)
                deficits[kind] = min(max(ratio - 1 if kind == 2 else 1 - ratio, 0.0), 1.0)
        utility = sum(1 / (1 + math.exp(-weight * share)) for weight, share in zip(WEIGHTS, shares, strict=True))
        return utility - sum(deficits), values

    def advance(self, frame):
        """Queues, movement, bursts, then the next frame's arrivals."""
        for ue in range(self.n_ues):
            left = self.queue[ue] - self.rates.get(ue, 0.0) * 0.01
            self.queue[ue] = 0.0 if self.kind[ue] == 2 else max(0.0, left)
        self.key = split(self.episode, frame)
        for ue in range(self.n_ues):
            self._move(ue)
        key = split(self.key, BURSTS)
        for du in range(self.n_dus):
            for kind in range(3):
                index = 2 * (3 * du + kind)
                if uniform(key, index) < 0.04:
                    self.burst[du][kind] = (0.4, 1.0, 1.8)[int(3 * uniform(key, index + 1))]
        self._arrive()

    def _move(self, ue):
        angle = self.heading[ue]
        if uniform(split(self.key, MOTION), ue) < 0.2:
            angle += TURNS[int(7 * uniform(split(self.key, TURN), ue))]
        x = self.at[ue][0] + 0.5 * self.speed[ue] * math.cos(angle)
        y = self.at[ue][1] + 0.5 * self.speed[ue] * math.sin(angle)
        if not 0 <= x <= self.area[0]:
            x, angle = (-x if x < 0 else 2 * self.area[0] - x), math.pi - angle
        if not 0 <= y <= self.area[1]:
            y, angle = (-y if y < 0 else 2 * self.area[1] - y), -angle
        self.at[ue], self.heading[ue] = (x, y), angle
