import './status.css';
import './saved.css';
