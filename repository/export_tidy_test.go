package repository

// OpenJobsSQL must not cost more with many jobs that have ended.
const OpenJobsSQL = openJobsSQL
