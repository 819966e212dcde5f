package actors

// addCounters adds what another system has counted. Numbers that are those of a moment stay what they are.
func (s *Stats) addCounters(o *Stats) {
	s.Admitted += o.Admitted
	s.Refused += o.Refused
	s.Preempted += o.Preempted
	s.Forgotten += o.Forgotten
	s.Evicted += o.Evicted
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Realigned += o.Realigned
	s.Hibernations += o.Hibernations
	s.Restores += o.Restores
	s.SavedBytes += o.SavedBytes
	s.RestoredBytes += o.RestoredBytes
	s.SaveTime += o.SaveTime
	s.RestoreTime += o.RestoreTime
	s.StoreErrors += o.StoreErrors
	s.WaitTime += o.WaitTime
	s.Steps += o.Steps
	s.FailedSteps += o.FailedSteps
	s.Prefilled += o.Prefilled
	s.Decoded += o.Decoded
	s.Busy += o.Busy
	s.Uptime += o.Uptime
	for n, steps := range o.RowsPerStep {
		if n == len(s.RowsPerStep) {
			s.RowsPerStep = append(s.RowsPerStep, 0)
		}
		s.RowsPerStep[n] += steps
	}
}

// addCounters adds what another system has counted.
func (i *CacheInfo) addCounters(o *CacheInfo) {
	i.Hits += o.Hits
	i.Misses += o.Misses
	i.Evictions += o.Evictions
	i.Hibernations += o.Hibernations
	i.Restores += o.Restores
	i.SavedBytes += o.SavedBytes
	i.RestoredBytes += o.RestoredBytes
}
