package upstream

// Healthy is how many of the cluster's hosts can be chosen, and how many there
// are. One whose hosts are wherever clients want to go counts as one that can.
func (c *Cluster) Healthy() (healthy, all int) {
	if c.original != nil {
		return 1, 1
	}
	hosts := c.Hosts()
	for _, h := range hosts {
		if h.Usable() {
			healthy++
		}
	}
	return healthy, len(hosts)
}
